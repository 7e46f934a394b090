//! Telephone events, received and sent.

use super::*;

fn payload(key: char, end: bool, duration: u16) -> [u8; 4] {
    let event = Digit::from_char(key).unwrap().event();
    EventPayload { event, end, volume: 10, duration }.to_bytes()
}

fn keys(presses: &[KeyPress]) -> String {
    presses.iter().map(|press| press.digit.as_char()).collect()
}

#[test]
fn digits_have_their_characters_and_codes() {
    for (code, key) in "0123456789*#ABCD!".chars().enumerate() {
        let digit = Digit::from_char(key).unwrap();
        assert_eq!((usize::from(digit.event()), digit.as_char()), (code, key));
        assert_eq!(Digit::from_event(digit.event()), Some(digit));
    }
    assert_eq!(Digit::from_char('d').map(Digit::as_char), Some('D'));
    assert_eq!(Digit::from_char('x'), None);
    assert_eq!(Digit::from_event(17), None);
}

#[test]
fn a_key_is_told_once_with_its_duration() {
    let now = Instant::now();
    let mut receiver = DtmfReceiver::default();
    for duration in [160, 320, 480] {
        assert!(receiver.handle_packet(now, 1000, &payload('5', false, duration), 8000).is_empty());
    }
    let ended = receiver.handle_packet(now, 1000, &payload('5', true, 800), 8000);
    let five = Digit::from_char('5').unwrap();
    assert_eq!(ended[..], [KeyPress { digit: five, duration: Duration::from_millis(100) }]);
    for _ in 0..2 {
        assert!(receiver.handle_packet(now, 1000, &payload('5', true, 800), 8000).is_empty());
    }
    assert_eq!(receiver.handle_timer(now + Duration::from_secs(9)), None);
}

#[test]
fn the_same_key_twice_is_two_keys() {
    let now = Instant::now();
    let mut receiver = DtmfReceiver::default();
    assert_eq!(keys(&receiver.handle_packet(now, 1000, &payload('5', true, 800), 8000)), "5");
    assert_eq!(keys(&receiver.handle_packet(now, 3000, &payload('5', true, 800), 8000)), "5");
    assert!(receiver.handle_packet(now, 1000, &payload('5', true, 800), 8000).is_empty(), "late");
}

#[test]
fn a_key_whose_end_was_lost_is_told_by_the_next_or_by_the_timer() {
    let now = Instant::now();
    let mut receiver = DtmfReceiver::default();
    receiver.handle_packet(now, 1000, &payload('1', false, 800), 8000);
    assert_eq!(keys(&receiver.handle_packet(now, 4000, &payload('2', true, 800), 8000)), "12");
    receiver.handle_packet(now, 9000, &payload('3', false, 800), 8000);
    assert_eq!(receiver.handle_timer(now + Duration::from_millis(249)), None);
    assert_eq!(receiver.handle_timer(now + LOST_END).map(|press| press.digit.as_char()), Some('3'));
    assert_eq!(receiver.handle_timer(now + LOST_END), None);
}

#[test]
fn a_key_held_longer_than_one_event_can_say_is_one_key() {
    let now = Instant::now();
    let mut receiver = DtmfReceiver::default();
    receiver.handle_packet(now, 1000, &payload('9', false, 0xFFFF), 48000);
    let next = 1000 + 0xFFFF;
    assert!(receiver.handle_packet(now, next, &payload('9', false, 960), 48000).is_empty());
    let ended = receiver.handle_packet(now, next, &payload('9', true, 48000), 48000);
    assert_eq!(keys(&ended), "9");
    assert!(ended[0].duration > Duration::from_millis(2300));
}

#[test]
fn what_is_no_key_is_ignored() {
    let mut receiver = DtmfReceiver::default();
    assert!(receiver.handle_packet(Instant::now(), 1, &[5, 0x80, 0], 8000).is_empty());
    assert!(receiver.handle_packet(Instant::now(), 1, &[36, 0x80, 0, 9], 8000).is_empty());
    assert!(receiver.handle_packet(Instant::now(), 1, &payload('1', true, 9), 0).len() == 1);
}

#[test]
fn digits_sent_are_received() {
    let mut now = Instant::now();
    let mut sender = DtmfSender::default();
    let digits: Vec<Digit> = "12#".chars().filter_map(Digit::from_char).collect();
    assert!(sender.send(&digits));
    let mut receiver = DtmfReceiver::default();
    let (mut timestamp, mut heard, mut packets) = (0, String::new(), 0);
    while sender.is_active() {
        while let Some(step) = sender.poll(now, 48000) {
            packets += 1;
            if step.first {
                timestamp += 48000;
            }
            heard += &keys(&receiver.handle_packet(now, timestamp, &step.payload.to_bytes(), 48000));
        }
        now += Duration::from_millis(5);
    }
    assert_eq!(heard, "12#");
    assert_eq!(packets, 3 * 8, "five of the tone, three of its end");
}

#[test]
fn more_digits_than_fit_are_refused_whole() {
    let one = Digit::from_char('1').unwrap();
    let mut sender = DtmfSender::default();
    assert!(sender.send(&[one; 30]));
    assert!(!sender.send(&[one; 3]));
    assert!(sender.send(&[one; 2]));
}

#[test]
fn a_duration_is_told_in_the_other_clock() {
    let event = EventPayload { event: 1, end: true, volume: 10, duration: 800 };
    assert_eq!(event.rescaled(8000, 48000).duration, 4800);
    assert_eq!(event.rescaled(8000, 8_000_000).duration, u16::MAX);
    assert_eq!(event.rescaled(0, 8000).duration, u16::MAX);
}
