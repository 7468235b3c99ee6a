#!/usr/bin/env python3
"""Run the blocks of a page that are SQL or Python, and compare what they print with the text blocks below them.

    recipes.py PAGE [--write]

Blocks are run in the current directory. SQL is DuckDB's: one connection for all blocks; a line `.read FILE` runs a file. Rows are printed with
` | ` between the columns, behind a line of names. --write puts what was printed into the page.
"""
import contextlib, io, re, subprocess, sys

import duckdb

BLOCK = re.compile(r'^```(\w+)\n(.*?)^```$', re.M | re.S)


def run_sql(connection, text):
    printed = []
    for line in re.findall(r'^\.read (.*)$', text, re.M):
        connection.execute(open(line, encoding='utf-8').read())
    for statement in duckdb.extract_statements(re.sub(r'^\.read .*$', '', text, flags=re.M)):
        result = connection.execute(statement)
        printed.append(' | '.join(column[0] for column in result.description))
        printed += [' | '.join(shown(value) for value in row) for row in result.fetchall()]
    return '\n'.join(printed) + '\n'


def shown(value):
    return value.strftime('%Y-%m-%d %H:%M:%S') if hasattr(value, 'strftime') else str(value)


def run_python(text):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(text, 'recipe', 'exec'), {})
    return out.getvalue()


def main(page, write):
    text = open(page, encoding='utf-8').read()
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    blocks, out, end, failed, ran = list(BLOCK.finditer(text)), '', 0, 0, 0
    for block, below in zip(blocks, blocks[1:] + [None]):
        kind, body = block.groups()
        if kind not in ('sql', 'python'):
            continue
        ran += 1
        got = run_sql(connection, body) if kind == 'sql' else run_python(body)
        if below is None or below.group(1) != 'text':
            sys.exit(f'nothing is told of what this prints:\n{body}')
        if got != below.group(2):
            failed += 1
            print(f'{body}prints\n{got}and not\n{below.group(2)}')
        out += text[end:below.start(2)] + got
        end = below.end(2)
    if write:
        open(page, 'w', encoding='utf-8').write(out + text[end:])
        return 0
    print(f'{ran} recipes, {failed} differ')
    return 1 if failed or ran < 12 else 0


if __name__ == '__main__':
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:] == ['--write']))
