//! Runs that wait at a system call of their output, so that a test can act in the middle of them.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

use super::command::listening;

/// A run that is waiting.
pub struct Paused {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

/// The end of a run.
pub struct Ended {
    pub status: ExitStatus,
    /// Its standard error after the wait.
    pub said: String,
}

/// Starts a run that waits at the call with this number; `None`: it ended before.
pub fn paused_at(call: u64, dir: &Path, args: &[&str]) -> Option<Paused> {
    let mut command = listening();
    command.current_dir(dir).args(args).env("EKVSNAP_FAULT", format!("{call}:WAIT"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("fault injected") {
        line.clear();
        if stderr.read_line(&mut line).unwrap() == 0 {
            child.wait().unwrap();
            return None;
        }
    }
    Some(Paused { child, stderr })
}

impl Paused {
    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().unwrap();
        assert!(sent.success(), "{name}");
    }

    /// Waits for the end of a run that is ended from outside while it waits.
    pub fn end(mut self) -> Ended {
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).unwrap();
        Ended { status: self.child.wait().unwrap(), said }
    }

    /// Lets it continue to its end.
    pub fn go_on(mut self) -> Ended {
        drop(self.child.stdin.take());
        self.end()
    }
}
