use super::*;

impl Done for usize {
    fn held(&self) -> usize {
        0
    }
}

/// While the first task works, others run until their results are large enough, and no more.
#[test]
fn what_waits_is_bounded_in_bytes() {
    struct Large(usize);
    impl Done for Large {
        fn held(&self) -> usize {
            MOST_WAITING / 4
        }
    }
    let begun = AtomicUsize::new(0);
    let work = |i: usize| {
        begun.fetch_add(1, Ordering::SeqCst);
        if i == 0 {
            while begun.load(Ordering::SeqCst) < 5 {
                std::thread::yield_now();
            }
            std::thread::sleep(std::time::Duration::from_millis(30));
        }
        Ok(Large(i))
    };
    let (mut got, mut most) = (Vec::new(), 0);
    let commit = |done: Large| {
        most = most.max(if got.is_empty() { begun.load(Ordering::SeqCst) } else { 0 });
        got.push(done.0);
        Ok(())
    };
    with_threads(2, || run(12, work, commit)).unwrap();
    assert_eq!(got, (0..12).collect::<Vec<_>>());
    assert_eq!(most, 5);
}

fn with_threads<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
}

#[test]
fn results_come_in_order() {
    for threads in [1, 2, 3, 8] {
        let (mut got, written) = (Vec::new(), AtomicUsize::new(0));
        with_threads(threads, || {
            run_with(
                500,
                |i| Ok(i * 2),
                |n| {
                    got.push(n);
                    Ok(n)
                },
                |n| {
                    written.fetch_add(n, Ordering::Relaxed);
                    Ok(())
                },
            )
        })
        .unwrap();
        assert_eq!(got, (0..500).map(|i| i * 2).collect::<Vec<_>>());
        assert_eq!(written.into_inner(), 499 * 500);
    }
}

#[test]
fn the_lowest_error_wins() {
    for threads in [1, 2, 8] {
        let work = |i: usize| if i % 100 == 37 { Err(Error::usage(format!("task {i}"))) } else { Ok(i) };
        let error = with_threads(threads, || run(1000, work, |_| Ok(()))).unwrap_err();
        assert_eq!(error.to_string(), "task 37");
    }
    let error = with_threads(4, || run(1000, Ok, |i| Err(Error::usage(format!("{i}"))))).unwrap_err();
    assert_eq!(error.to_string(), "0");
    let late = |i: usize| if i % 100 == 37 { Err(Error::usage(format!("write {i}"))) } else { Ok(()) };
    for threads in [1, 2, 8] {
        let error = with_threads(threads, || run_with(1000, Ok, Ok, late)).unwrap_err();
        assert_eq!(error.to_string(), "write 37");
    }
}

#[test]
fn a_run_is_stopped() {
    for threads in [1, 2, 8] {
        let (stop, done) = (Stop::default(), AtomicUsize::new(0));
        let work = |i: usize| {
            done.fetch_add(1, Ordering::Relaxed);
            if i == 50 {
                stop.set();
            }
            Ok(i)
        };
        // A pool gets the flag of the thread that starts it.
        let error = stop.during(|| crate::run::on_threads(threads, || run(1000, work, |_| Ok(())))).unwrap();
        assert_eq!(error.unwrap_err().to_string(), "the run was stopped");
        assert!(done.into_inner() < 51 + threads * WINDOW);
        assert!(run(10, Ok, |_: usize| Ok(())).is_ok(), "the thread has no flag any more");
    }
}

/// Tasks give two parts each before they are done, or none. Everything comes in order, whichever task must wait.
#[test]
fn parts_come_before_the_rest() {
    for threads in [1, 2, 3, 8] {
        let mut got = Vec::new();
        let work = |i: usize, ahead: &Ahead<'_, usize>| {
            if i % 3 != 1 {
                ahead(i * 3)?;
                ahead(i * 3 + 1)?;
            }
            Ok(i * 3 + 2)
        };
        let commit = |n| {
            got.push(n);
            Ok(())
        };
        with_threads(threads, || run_ahead(300, work, commit, |()| Ok(()))).unwrap();
        let want: Vec<_> = (0..900).filter(|n| n / 3 % 3 != 1 || n % 3 == 2).collect();
        assert_eq!(got, want, "{threads} threads");
    }
}

/// A task that waits to give a part does not wait for one that has failed, in its work or in its commit.
#[test]
fn parts_of_a_run_that_failed() {
    for threads in [1, 2, 8] {
        for fails_in_work in [true, false] {
            let work = |i: usize, ahead: &Ahead<'_, usize>| {
                if fails_in_work && i == 20 {
                    return Err(Error::usage("task 20"));
                }
                ahead(i)?;
                Ok(i)
            };
            let commit = |i| if i == 20 { Err(Error::usage("task 20")) } else { Ok(()) };
            let error = with_threads(threads, || run_ahead(300, work, commit, |()| Ok(()))).unwrap_err();
            assert_eq!(error.to_string(), "task 20", "{threads} threads");
        }
    }
}

#[test]
fn pulled_tasks_come_in_order() {
    for (threads, tasks) in [(1, 0), (1, 5), (2, 500), (3, 1), (8, 500)] {
        let (mut given, mut got) = (0, Vec::new());
        let next = || {
            given += 1;
            Ok((given <= tasks).then_some(given))
        };
        let commit = |n| {
            got.push(n);
            Ok(())
        };
        with_threads(threads, || run_pulled(next, |n| Ok(n * 2), commit, |()| Ok(()))).unwrap();
        assert_eq!(got, (1..=tasks).map(|n| n * 2).collect::<Vec<_>>(), "{threads} threads");
    }
}

#[test]
fn a_source_that_fails_is_a_task_that_fails() {
    for threads in [1, 2, 8] {
        for bad in [5, 12] {
            let mut given = 0;
            let next = || {
                given += 1;
                if given == 10 { Err(Error::usage("source")) } else { Ok(Some(given)) }
            };
            let work = |n| if n == bad { Err(Error::usage("work")) } else { Ok(n) };
            let error = with_threads(threads, || run_pulled(next, work, |_| Ok(()), |()| Ok(()))).unwrap_err();
            assert_eq!(error.to_string(), if bad == 5 { "work" } else { "source" });
        }
    }
}

#[test]
#[should_panic(expected = "task 20")]
fn a_panic_ends_the_run() {
    let work = |i: usize| {
        assert!(i != 20, "task 20");
        Ok(i)
    };
    let _ = with_threads(4, || run(1000, work, |_| Ok(())));
}
