//! Answers of the store, taken in the order in which they were asked for: one message must not overtake another in a
//! channel because the store was quicker with it.

use std::collections::{BTreeMap, VecDeque};

#[derive(Debug)]
pub(super) struct InOrder<T> {
    /// The messages that were asked about.
    asked: VecDeque<i64>,
    /// Answers that came before an earlier one, each message's in their order.
    came: BTreeMap<i64, VecDeque<T>>,
}

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self { asked: VecDeque::new(), came: BTreeMap::new() }
    }
}

impl<T> InOrder<T> {
    pub(super) fn ask(&mut self, message_no: i64) {
        self.asked.push_back(message_no);
    }

    pub(super) fn came(&mut self, message_no: i64, answer: T) {
        self.came.entry(message_no).or_default().push_back(answer);
    }

    /// The next answer whose turn it is.
    pub(super) fn next(&mut self) -> Option<(i64, T)> {
        let message_no = *self.asked.front()?;
        let answers = self.came.get_mut(&message_no)?;
        let answer = answers.pop_front()?;
        if answers.is_empty() {
            self.came.remove(&message_no);
        }
        self.asked.pop_front();
        Some((message_no, answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_wait_for_earlier_ones() {
        let mut answers = InOrder::default();
        for message_no in [1, 2, 1] {
            answers.ask(message_no);
        }
        answers.came(2, "b");
        assert_eq!(answers.next(), None);
        answers.came(1, "a");
        answers.came(1, "c");
        assert_eq!(
            [answers.next(), answers.next(), answers.next()],
            [Some((1, "a")), Some((2, "b")), Some((1, "c"))]
        );
        assert_eq!(answers.next(), None);
    }
}
