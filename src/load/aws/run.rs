//! What the services share: inputs are read while requests are in flight, and results are taken in the order of the requests.

use super::Service;
use super::flight::Flight;
use crate::error::Result;
use crate::layouts::reading::output::Visitor;
use crate::load::course::Course;
use crate::load::{Input, Options, input};

/// Takes the objects of an adapter and sends requests, each of which gives a `T`.
pub(super) trait Target<'c, T: Send>: Visitor + Sized {
    /// The state of the load.
    fn course(&mut self) -> &mut Course<'c>;

    /// The requests in flight.
    fn flight(&mut self) -> &mut Flight<T>;

    /// Records that all requests up to this one were answered.
    fn take(&mut self, result: T);

    /// Begins the request for the objects that wait for more.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Begins a request, and takes the result of an earlier one if too many are in flight.
    fn begin_request(&mut self, work: impl FnOnce(&Service) -> Result<T> + Send + 'static) -> Result<()> {
        if let Some(earlier) = self.flight().begin(work)? {
            self.take(earlier);
        }
        Ok(())
    }

    /// Waits for all requests in flight.
    fn take_all(&mut self) -> Result<()> {
        while let Some(result) = self.flight().next()? {
            self.take(result);
        }
        Ok(())
    }

    /// Sends all objects of the inputs.
    fn read(&mut self, input: &Input, options: &Options) -> Result<()> {
        let (adapter, listener) = (self.course().adapter, self.course().listener);
        let read = input::read(input, adapter, options, listener, self);
        let read = read.and_then(|findings| self.flush().map(|()| findings));
        // Answered requests count, even if reading the inputs has failed.
        let taken = self.take_all();
        let findings = read?;
        taken?;
        self.course().noticed(findings);
        Ok(())
    }
}
