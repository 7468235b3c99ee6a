//! The output of `-h`: one screen of 24 lines with examples and the flags that most runs need. `--help` and the manual pages have all
//! flags, and their grammars.

use clap::Command;
use clap::builder::Resettable;

/// The short help of a command.
struct Brief {
    command: &'static str,
    /// The flags in it, by their names in the code.
    flags: &'static [&'static str],
    examples: [&'static str; 3],
}

const BRIEFS: &[Brief] = &[
    Brief {
        command: "decode",
        flags: &["inputs", "output", "layout", "as_of", "adapter", "scope", "force", "on_error"],
        examples: [
            "ekvsnap decode node1/fsm-snap node2/fsm-snap -o backup",
            "ekvsnap decode x.fsm -o lines.tar.zst --layout jsonl",
            "ekvsnap decode x.fsm -o some --scope 'redis:user:*' --scope s3:photos/2026/",
        ],
    },
    Brief {
        command: "inspect",
        flags: &["inputs", "quick", "top", "html", "as_of", "scope", "json"],
        examples: [
            "ekvsnap inspect x.fsm",
            "ekvsnap inspect node1/fsm-snap --html report.html",
            "ekvsnap inspect x.fsm --scope 'redis:user:*' --top 20",
        ],
    },
    Brief {
        command: "verify",
        flags: &["inputs", "against", "limit", "strict", "json"],
        examples: [
            "ekvsnap verify x.fsm",
            "ekvsnap verify backup.tar.zst",
            "ekvsnap verify backup --against g1.fsm g2.fsm",
        ],
    },
    Brief {
        command: "diff",
        flags: &["a", "b", "summary", "as_of", "scope", "json"],
        examples: [
            "ekvsnap diff monday.fsm tuesday.fsm",
            "ekvsnap diff backup x.fsm --summary",
            "ekvsnap diff x.fsm x.fsm --as-of 2026-11-22,2026-11-23",
        ],
    },
    Brief {
        command: "get",
        flags: &["words", "versions", "as_of", "json"],
        examples: [
            "ekvsnap get x.fsm redis:user:1",
            "ekvsnap get backup.tar.zst s3:photos/a.jpg > a.jpg",
            "ekvsnap get x.fsm dynamodb:orders/7/2026 --versions",
        ],
    },
    Brief {
        command: "ls",
        flags: &["inputs", "names", "null", "as_of", "json"],
        examples: [
            "ekvsnap ls x.fsm",
            "ekvsnap ls x.fsm 'redis:user:*' s3:photos/2026/",
            "ekvsnap ls x.fsm sqs:jobs -0 | xargs -0 -n1 ekvsnap get x.fsm",
        ],
    },
    Brief {
        command: "encode",
        flags: &["outputs", "output", "adapter", "strict", "json"],
        examples: [
            "ekvsnap encode backup -o restored.fsm",
            "ekvsnap encode redis.tar.zst sqs.tar.zst -o 0000000000000178.fsm",
            "ekvsnap encode backup -o redis.fsm --adapter redis",
        ],
    },
    Brief {
        command: "restore",
        flags: &["inputs", "data_dir", "nodes", "shift_times"],
        examples: [
            "ekvsnap restore node1/fsm-snap -d data --node n1=10.0.0.1:50051",
            "ekvsnap restore backup.tar.zst -d data --node n1=a:1,n2=b:1 --shift-times",
            "ekvsnap restore x.fsm -d d --node n=a:1 --groups 1=a:1,2=a:2 --shard-ranges …",
        ],
    },
    #[cfg(feature = "load")]
    Brief {
        command: "load",
        flags: &["inputs", "to", "merge", "start_after", "dry_run", "json"],
        examples: [
            "ekvsnap load x.fsm --to dump.rdb",
            "ekvsnap load backup.tar.zst --to ekv://10.0.0.1:50051",
            "ekvsnap load x.fsm --to s3://localhost:9000 --start-after s3:photos/a.jpg",
        ],
    },
    Brief {
        command: "pack",
        flags: &["dir", "output", "zstd_level", "force"],
        examples: [
            "ekvsnap pack backup -o backup.tar.zst",
            "ekvsnap pack backup -o backup.tar.zst --zstd-level 19",
            "ekvsnap pack backup -o backup.tar --force",
        ],
    },
    Brief {
        command: "unpack",
        flags: &["archive", "output", "force"],
        examples: [
            "ekvsnap unpack backup.tar.zst -o backup",
            "ekvsnap unpack backup.tar.gz -o backup --force",
            "ekvsnap unpack - -o backup < backup.tar",
        ],
    },
    Brief {
        command: "plan",
        flags: &["inputs", "output", "force", "threads"],
        examples: [
            "ekvsnap plan x.fsm",
            "ekvsnap plan node1/fsm-snap node2/fsm-snap -o cluster.ekvindex",
            "ekvsnap plan node1/fsm-snap node2/fsm-snap -o PLAN --layout jsonl",
        ],
    },
    Brief {
        command: "merge",
        flags: &["shards", "plan", "output", "keep", "force"],
        examples: [
            "ekvsnap merge --plan PLAN shards -o backup",
            "ekvsnap merge --plan PLAN a/shard-0-of-2 b/shard-1-of-2 -o backup",
            "ekvsnap merge --plan PLAN shards -o backup --force",
        ],
    },
];

/// What an INPUT can be.
const INPUTS: &str = "\
    INPUT: a .fsm file, also compressed with gzip or zstd; a server's data directory or its fsm-snap/ \
    (the newest intact file of each group); a directory of .fsm files; a copy of the store of elastickv-snapshot-offload, or a manifest in it; or - for standard input. \
    Several are the groups of one cluster.";

/// Makes `-h` differ from `--help`. A command without a short help here shows the same for both.
pub(super) fn shorten(mut command: Command) -> Command {
    let Some(brief) = BRIEFS.iter().find(|brief| brief.command == command.get_name()) else { return command };
    let name = brief.command;
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let before = command.get_before_help().map(|text| format!("{text}\n\n")).unwrap_or_default();
    let inputs = if matches!(name, "encode" | "pack" | "unpack") { String::new() } else { format!("{INPUTS}\n\n") };
    let examples: String = brief.examples.iter().map(|example| format!("  {example}\n")).collect();
    command = command.mut_args(|arg| {
        let is_shown = brief.flags.contains(&arg.get_id().as_str());
        arg.hide_short_help(!is_shown)
    });
    command
        .before_help(Resettable::Reset)
        .after_help(format!("Examples:\n{examples}Everything: ekvsnap {name} --help"))
        .after_long_help(format!("{inputs}{before}Examples:\n{examples}\n{after}"))
}
