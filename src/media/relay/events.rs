//! Events that wait for the engine.

use std::collections::VecDeque;

use crate::media::MediaEvent;

/// A bounded queue in which state wins over news: when it is full, samples, digits, first packets and
/// refusals are dropped and counted; of `Silent` and `Resumed` of one end the latest stays; `Closed` always
/// stays, and there is at most one for each end of the table.
pub(super) struct EventQueue {
    queue: VecDeque<MediaEvent>,
    capacity: usize,
    lost: u64,
}

impl EventQueue {
    pub(super) fn new(capacity: usize) -> Self {
        Self { queue: VecDeque::new(), capacity, lost: 0 }
    }

    pub(super) fn push(&mut self, event: MediaEvent) {
        if self.queue.len() < self.capacity {
            self.queue.push_back(event);
            return;
        }
        match event {
            MediaEvent::Closed { .. } => self.queue.push_back(event),
            MediaEvent::Silent { end, .. } | MediaEvent::Resumed { end } => {
                let before = self.queue.len();
                self.queue.retain(|queued| !(is_life(queued) && queued.end() == end));
                if self.queue.len() < before {
                    self.queue.push_back(event);
                } else {
                    self.replace_news(event);
                }
            }
            MediaEvent::Sample { .. }
            | MediaEvent::Dtmf { .. }
            | MediaEvent::FirstPacket { .. }
            | MediaEvent::Refused { .. } => self.lost += 1,
        }
    }

    pub(super) fn pop(&mut self) -> Option<MediaEvent> {
        self.queue.pop_front()
    }

    pub(super) fn put_back(&mut self, event: MediaEvent) {
        self.queue.push_front(event);
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Puts a change of state where the oldest piece of mere news was; lost when there is none.
    fn replace_news(&mut self, event: MediaEvent) {
        self.lost += 1;
        let news = self.queue.iter().position(|queued| {
            matches!(queued, MediaEvent::Sample { .. } | MediaEvent::Dtmf { .. } | MediaEvent::Refused { .. })
        });
        if let Some(position) = news {
            self.queue.remove(position);
            self.queue.push_back(event);
        }
    }
}

fn is_life(event: &MediaEvent) -> bool {
    matches!(event, MediaEvent::Silent { .. } | MediaEvent::Resumed { .. })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::media::end::EndId;
    use crate::media::event::Report;

    fn end(index: u32) -> EndId {
        EndId::new(index, 0)
    }

    fn drain(queue: &mut EventQueue) -> Vec<String> {
        std::iter::from_fn(|| queue.pop())
            .map(|event| {
                format!("{event:?}").split(' ').next().unwrap().to_owned() + &event.end().to_string()
            })
            .collect()
    }

    #[test]
    fn a_full_queue_keeps_state_and_drops_news() {
        let mut queue = EventQueue::new(2);
        let since = Instant::now();
        queue.push(MediaEvent::FirstPacket { end: end(1) });
        queue.push(MediaEvent::Silent { end: end(1), since });
        queue.push(MediaEvent::Sample { end: end(1), report: Box::default() });
        queue.push(MediaEvent::Resumed { end: end(1) });
        queue.push(MediaEvent::Closed { end: end(2), report: Box::new(Report::default()) });
        assert_eq!(queue.lost(), 1);
        assert_eq!(drain(&mut queue), ["FirstPacket1.0", "Resumed1.0", "Closed2.0"]);
    }

    #[test]
    fn state_pushes_out_the_oldest_news() {
        let mut queue = EventQueue::new(2);
        queue.push(MediaEvent::Sample { end: end(1), report: Box::default() });
        queue.push(MediaEvent::Sample { end: end(2), report: Box::default() });
        queue.push(MediaEvent::Resumed { end: end(3) });
        assert_eq!(drain(&mut queue), ["Sample2.0", "Resumed3.0"]);
        assert_eq!(queue.lost(), 1);
    }

    #[test]
    fn an_event_put_back_comes_first_again() {
        let mut queue = EventQueue::new(2);
        queue.push(MediaEvent::FirstPacket { end: end(1) });
        queue.push(MediaEvent::FirstPacket { end: end(2) });
        let first = queue.pop().unwrap();
        queue.put_back(first);
        assert_eq!(drain(&mut queue), ["FirstPacket1.0", "FirstPacket2.0"]);
    }
}
