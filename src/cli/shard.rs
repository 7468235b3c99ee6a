//! `ekvsnap decode --plan PLAN --shard I/N`.

use std::path::{Path, PathBuf};
use std::result;

use super::exit::Exit;
use super::inputs::{self, Inputs};
use super::keys::Keys;
use super::out;
use super::progress::Bar;
use crate::error::{Error, Result};
use crate::plan::{Done, Planned, dir_of, run};
use crate::report::visible::Visible;
use crate::run::shards::Which;

/// Maximum number of shards in a plan.
const MOST: u32 = 65_536;

/// Flags of a shard.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Shards of a plan")]
pub(super) struct Shard {
    /// Decode a share of what ekvsnap plan planned, to a directory in OUT
    #[arg(long, value_name = "PLAN", requires = "shard",
          conflicts_with_all = ["inputs", "input", "Recipe", "Choice", "SavedIndex", "dry_run", "format", "force", "on_error", "strict", "json"])]
    plan: Option<PathBuf>,

    /// Which share: I from 0 to N-1; auto: of a Kubernetes or Slurm job
    ///
    /// auto takes I from JOB_COMPLETION_INDEX or SLURM_ARRAY_TASK_ID, and N from --shards. Without --shards an array of Slurm has all shards:
    /// N is SLURM_ARRAY_TASK_COUNT, and I counts from SLURM_ARRAY_TASK_MIN.
    #[arg(long, value_name = "I/N", requires = "plan", value_parser = asked)]
    shard: Option<Asked>,

    /// How many shards there are, with --shard auto or --resume.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST)))]
    shards: Option<u32>,
}

/// The shard that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    One(Which),
    Auto,
}

fn asked(text: &str) -> result::Result<Asked, String> {
    if text == "auto" {
        return Ok(Asked::Auto);
    }
    let (index, count) = text.split_once('/').ok_or("want I/N, such as 0/16, or auto")?;
    let number = |text: &str| text.parse::<u32>().map_err(|_| format!("{text} is not a number"));
    which(number(index)?, number(count)?).map(Asked::One)
}

fn which(index: u32, count: u32) -> result::Result<Which, String> {
    if count == 0 || count > MOST || index >= count {
        return Err(format!("there is no shard {index} of {count}: they count from 0, and there are at most {MOST}"));
    }
    Ok(Which { index, count })
}

impl Shard {
    /// The number of shards that was asked for.
    pub fn count(&self) -> Option<u32> {
        self.shards
    }

    /// Runs the shard that was asked for, if there is one.
    pub fn run(
        &self,
        out: Option<&Path>,
        no_mmap: bool,
        threads: usize,
        keys: &Keys,
        bar: &Bar,
    ) -> Option<Result<Exit>> {
        // clap does not require --plan beside inputs, because it conflicts with them.
        const NO_PLAN: &str = "--shard needs --plan PLAN, which `ekvsnap plan INPUT… -o PLAN` makes";
        match (self.plan.as_ref(), self.shard) {
            (Some(plan), Some(asked)) => Some(self.go((plan, asked), out, no_mmap, threads, keys, bar)),
            (None, Some(_)) => Some(Err(Error::command_line(NO_PLAN))),
            (_, None) => None,
        }
    }

    fn go(
        &self,
        (plan, asked): (&Path, Asked),
        out: Option<&Path>,
        no_mmap: bool,
        threads: usize,
        keys: &Keys,
        bar: &Bar,
    ) -> Result<Exit> {
        let out = out.ok_or_else(|| Error::command_line("name the directory of all shards with -o"))?;
        let variable = |name: &str| std::env::var(name).ok();
        let which = match (asked, self.shards) {
            (Asked::One(_), Some(_)) => {
                return Err(Error::command_line("--shard I/N says how many shards there are: leave out --shards"));
            }
            (Asked::One(which), None) => which,
            (Asked::Auto, shards) => of_job(shards, variable).map_err(Error::command_line)?,
        };
        let planned = Planned::read(plan)?;
        let Inputs { mut sources, .. } = inputs::open_files(&planned.inputs(), no_mmap, keys, threads)?;
        let done = run(&planned, &mut sources, which, out, threads, bar)?;
        bar.clear();
        let Which { index, count } = which;
        let dir = dir_of(out, which);
        let how = if done == Done::WasThere { "complete already" } else { "complete" };
        out::report(&format!("{}: shard {index} of {count}, {how}\n", Visible(dir.display())));
        Ok(Exit::Fine)
    }
}

/// The shard of a Kubernetes or Slurm job, by its environment variables.
fn of_job(shards: Option<u32>, variable: impl Fn(&str) -> Option<String>) -> result::Result<Which, String> {
    let number = |name: &str| -> result::Result<Option<u32>, String> {
        let parsed = variable(name).map(|text| text.parse().map_err(|_| format!("{name} is {text}, not a number")));
        parsed.transpose()
    };
    match (number("JOB_COMPLETION_INDEX")?, number("SLURM_ARRAY_TASK_ID")?) {
        (Some(_), Some(_)) => {
            Err("JOB_COMPLETION_INDEX and SLURM_ARRAY_TASK_ID are both set: give --shard I/N".to_owned())
        }
        (Some(index), None) => {
            which(index, shards.ok_or("JOB_COMPLETION_INDEX does not say how many shards there are: give --shards N")?)
        }
        // The size and the first number of an array are not usable if the array has only some of the shards.
        (None, Some(id)) => match shards {
            Some(count) => which(id, count),
            None => {
                let count =
                    number("SLURM_ARRAY_TASK_COUNT")?.ok_or("SLURM_ARRAY_TASK_COUNT is not set: give --shards N")?;
                let first = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
                which(id.checked_sub(first).ok_or("SLURM_ARRAY_TASK_ID is below SLURM_ARRAY_TASK_MIN")?, count)
            }
        },
        (None, None) => Err("neither JOB_COMPLETION_INDEX nor SLURM_ARRAY_TASK_ID is set: give --shard I/N".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_that_are_asked_for() {
        assert_eq!(asked("0/1"), Ok(Asked::One(Which { index: 0, count: 1 })));
        assert_eq!(asked("15/16"), Ok(Asked::One(Which { index: 15, count: 16 })));
        assert_eq!(asked("auto"), Ok(Asked::Auto));
        for bad in ["16/16", "0/0", "1", "/", "-1/2", "0/65537", "a/b"] {
            assert!(asked(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shares_of_a_job() {
        let of = |shards, set: &[(&str, &str)]| {
            let variable = |name: &str| set.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned());
            of_job(shards, variable).ok().map(|which| (which.index, which.count))
        };
        assert_eq!(of(Some(4), &[("JOB_COMPLETION_INDEX", "3")]), Some((3, 4)));
        assert_eq!(of(None, &[("JOB_COMPLETION_INDEX", "3")]), None);
        assert_eq!(of(Some(3), &[("JOB_COMPLETION_INDEX", "3")]), None);
        let array = [("SLURM_ARRAY_TASK_ID", "7"), ("SLURM_ARRAY_TASK_MIN", "5"), ("SLURM_ARRAY_TASK_COUNT", "8")];
        assert_eq!(of(None, &array), Some((2, 8)));
        assert_eq!(of(Some(16), &array), Some((7, 16)));
        assert_eq!(of(None, &array[..1]), None);
        assert_eq!(of(Some(8), &[array[0], ("JOB_COMPLETION_INDEX", "3")]), None);
        assert_eq!(of(Some(8), &[]), None);
        assert_eq!(of(Some(8), &[("JOB_COMPLETION_INDEX", "x")]), None);
    }
}
