use bus::{
    Bus,
    operator::{DeadLetter, DeadLetterId, DeadLetters, Replayed},
};
use clap::Subcommand;
use indicatif::ProgressBar;

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub(super) enum DeadCommand {
    /// List them.
    List {
        /// Of this group alone.
        #[arg(long)]
        group: Option<String>,
        /// Print one JSON document instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Show one, with its event.
    Show {
        /// Its name, as `list` prints it.
        letter: DeadLetterId,
    },
    /// Let the group handle some again.
    Replay {
        /// Their names, as `list` prints them.
        #[arg(required = true)]
        letters: Vec<DeadLetterId>,
    },
    /// Forget some.
    Drop {
        /// Their names, as `list` prints them.
        #[arg(required = true)]
        letters: Vec<DeadLetterId>,
    },
}

/// Does what was asked for.
pub(super) async fn run(bus: &Bus, command: DeadCommand) -> anyhow::Result<()> {
    let mut line = bus.connect().await?;
    let mut letters = DeadLetters(&mut line);
    match command {
        DeadCommand::List { group, json } => {
            let found = letters.list(group.as_deref()).await?;
            if json {
                println!("{}", serde_json::to_string_pretty(&found)?);
            } else {
                list(found);
            }
            Ok(())
        }
        DeadCommand::Show { letter } => {
            let Some(found) = letters.show(&letter).await? else {
                anyhow::bail!("there is no dead letter {letter}");
            };
            // As a value: what an event holds is written in lines too then.
            println!("{}", serde_json::to_string_pretty(&serde_json::to_value(&found)?)?);
            Ok(())
        }
        DeadCommand::Replay { letters: ids } => replay(letters, &ids).await,
        DeadCommand::Drop { letters: ids } => {
            for id in ids {
                anyhow::ensure!(letters.drop(&id).await?, "there is no dead letter {id}");
                println!("{id} is forgotten");
            }
            Ok(())
        }
    }
}

fn list(found: Vec<DeadLetter>) {
    if found.is_empty() {
        println!("no dead letters");
        return;
    }
    for letter in found {
        let event = letter.event.map_or_else(|| "no event".to_owned(), |event| event.r#type);
        let DeadLetter {
            id,
            reason,
            tries,
            failed_at,
            ..
        } = letter;
        // Not a table: a name that is broken over two lines cannot be copied.
        println!("{id}\n    {event}, given up at {failed_at} after {tries} tries\n    {reason}");
    }
}

async fn replay(mut letters: DeadLetters<'_>, ids: &[DeadLetterId]) -> anyhow::Result<()> {
    let (bar, mut failed) = (ProgressBar::new(ids.len() as u64), 0);
    for id in ids {
        let outcome = letters.replay(id).await?;
        bar.inc(1);
        bar.suspend(|| match outcome {
            Replayed::GivenAgain => println!("{id} is given to its group again"),
            Replayed::NoLongerThere => {
                failed += 1;
                eprintln!("{id}: the bus no longer has its entry; `show` still has the event");
            }
            Replayed::Unknown => {
                failed += 1;
                eprintln!("there is no dead letter {id}");
            }
        });
    }
    bar.finish_and_clear();
    anyhow::ensure!(failed == 0, "{failed} of {} could not be replayed", ids.len());
    Ok(())
}
