//! The answer's lines, from both sides: a reply becomes a line, and pieces of any size become replies again.

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};

use crate::{MAX_REPLY_BYTES, Numbered};

/// Appends a reply's line.
pub(super) fn write_line<A: Serialize>(text: &mut Vec<u8>, reply: &Numbered<A>) -> serde_json::Result<()> {
    serde_json::to_writer(&mut *text, reply)?;
    text.push(b'\n');
    Ok(())
}

/// An answer is not made of replies.
#[derive(Debug, thiserror::Error)]
pub enum BadLine {
    /// A line is longer than any reply.
    #[error("a reply of more than {MAX_REPLY_BYTES} bytes")]
    TooLong,
    /// It is something else.
    #[error("a reply cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

/// Takes an answer apart as it comes. It keeps one unfinished line at most, so an answer without end takes no memory.
pub struct ReplyLines<A> {
    unfinished: Vec<u8>,
    answer: PhantomData<fn() -> A>,
}

impl<A> Default for ReplyLines<A> {
    fn default() -> Self {
        Self {
            unfinished: Vec::new(),
            answer: PhantomData,
        }
    }
}

impl<A: DeserializeOwned> ReplyLines<A> {
    /// Takes the next piece, and gives each reply that is complete with it to `reply`.
    ///
    /// # Errors
    /// [`BadLine`], or the first error of `reply`; what came before it stands.
    pub fn take<E: From<BadLine>>(
        &mut self,
        mut piece: &[u8],
        mut reply: impl FnMut(Numbered<A>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&piece[..end], &piece[end + 1..]);
            self.ensure_room(line)?;
            let numbered = if self.unfinished.is_empty() {
                serde_json::from_slice(line)
            } else {
                self.unfinished.extend_from_slice(line);
                serde_json::from_slice(&std::mem::take(&mut self.unfinished))
            };
            reply(numbered.map_err(BadLine::from)?)?;
            piece = rest;
        }
        self.ensure_room(piece)?;
        self.unfinished.extend_from_slice(piece);
        Ok(())
    }

    fn ensure_room(&self, more: &[u8]) -> Result<(), BadLine> {
        if self.unfinished.len() + more.len() < MAX_REPLY_BYTES {
            Ok(())
        } else {
            Err(BadLine::TooLong)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Reply;

    fn read(lines: &mut ReplyLines<String>, piece: &[u8]) -> Result<Vec<Numbered<String>>, BadLine> {
        let mut read = Vec::new();
        lines.take(piece, |reply| {
            read.push(reply);
            Ok::<_, BadLine>(())
        })?;
        Ok(read)
    }

    fn reply() -> impl Strategy<Value = Reply<String>> {
        prop_oneof![
            any::<String>().prop_map(Reply::Done),
            Just(Reply::Overloaded),
            any::<String>().prop_map(Reply::failed),
        ]
    }

    proptest! {
        #[test]
        fn what_one_side_writes_the_other_reads_wherever_the_pieces_end(
            replies in prop::collection::vec((any::<usize>(), reply()), 0..20),
            piece in 1_usize..100,
        ) {
            let replies: Vec<_> = replies.into_iter().map(|(index, reply)| Numbered { index, reply }).collect();
            let mut text = Vec::new();
            for reply in &replies {
                write_line(&mut text, reply)?;
            }
            let mut lines = ReplyLines::default();
            let mut seen = Vec::new();
            for piece in text.chunks(piece) {
                seen.extend(read(&mut lines, piece)?);
            }
            prop_assert_eq!(seen, replies);
            prop_assert!(lines.unfinished.is_empty());
        }
    }

    #[test]
    fn a_line_without_end_is_given_up_and_takes_no_memory() {
        let mut lines = ReplyLines::default();
        let pieces = (0..1_000).map_while(|_| read(&mut lines, &[b' '; 1_000]).ok()).count();
        assert_eq!(pieces, MAX_REPLY_BYTES / 1_000);
        assert!(lines.unfinished.len() < MAX_REPLY_BYTES);
        assert!(matches!(read(&mut lines, &[b' '; 1_000]), Err(BadLine::TooLong)));
    }

    #[test]
    fn what_is_no_reply_is_refused_and_what_came_before_stands() {
        let mut lines = ReplyLines::default();
        let mut seen = Vec::new();
        let taken = lines.take(
            b"{\"index\":7,\"reply\":{\"done\":\"a\"}}\n\n",
            |reply: Numbered<String>| {
                seen.push(reply.index);
                Ok::<_, BadLine>(())
            },
        );
        assert!(matches!(taken, Err(BadLine::Unreadable(_))));
        assert_eq!(seen, [7]);
    }
}
