//! A stand-in for the scheduler of AWS: runs the functions that have a schedule in the template.

use shared::http::app::App;
use tokio::time::{self, MissedTickBehavior};

use crate::{StartError, tasks, template::Template};

/// Runs each function that has a schedule now, and from then on as often as the template says, as long as the process runs. The log says if a
/// run fails.
pub fn start(template: &Template, app: impl Fn() -> App) -> Result<(), StartError> {
    let tasks = tasks(app);
    for schedule in &template.schedules {
        let function = &schedule.function;
        let task = tasks.get(function.as_str());
        let task =
            task.ok_or_else(|| StartError::Template(format!("there is no function {function} on a schedule")))?;
        let (task, mut ticks) = (task.clone(), time::interval(schedule.every));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::spawn(async move {
            loop {
                ticks.tick().await;
                let _ = task.run("local").await;
            }
        });
    }
    Ok(())
}
