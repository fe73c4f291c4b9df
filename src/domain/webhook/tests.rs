use proptest::prelude::*;

use super::*;

fn at_home() -> Reach {
    Reach { named: vec!["192.168.7.0/24".parse().unwrap(), "fd00:7::/32".parse().unwrap()] }
}

#[test]
fn words_are_read_as_they_are_written() {
    for occasion in [Occasion::RsvpCreated, Occasion::Test] {
        assert_eq!(Occasion::from_stored(occasion.as_str()), Some(occasion));
    }
    for state in [DeliveryState::Waiting, DeliveryState::Delivered, DeliveryState::Failed] {
        assert_eq!(DeliveryState::from_stored(state.as_str()), Some(state));
    }
}

/// The example of the specification.
#[test]
fn signs_as_the_specification_does() {
    let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let (secret, at) = (Secret::from_bytes(key), Timestamp::from_second(1_614_265_330).unwrap());
    let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#);
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_eq!(secret.reveal(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    assert_eq!(format!("{secret:?}"), "Secret(…)");
}

#[test]
fn private_addresses_are_told_from_public_ones() {
    for private in [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.170",
        "192.0.2.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "203.0.113.9",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        assert!(!is_public(private.parse().unwrap()), "{private}");
    }
    for public in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "198.17.0.1",
        "198.20.0.1",
        "223.255.255.255",
        "2606:4700::1",
        "2a01:4f8::1",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
    ] {
        assert!(is_public(public.parse().unwrap()), "{public}");
    }
}

#[test]
fn addresses_are_checked_before_anything_is_sent() {
    let nobody = Reach::default();
    for fine in [
        "https://example.org",
        " https://example.org/answers?key=1 ",
        "https://1.1.1.1/",
        "https://example.org:8443/x",
        "https://bücher.example/",
        "https://[2606:4700::1]/",
    ] {
        assert!(nobody.check(fine).is_ok(), "{fine}");
    }
    for (bad, what) in [
        ("", "whole address"),
        ("example.org", "whole address"),
        ("https://", "whole address"),
        ("http://example.org/", "https://"),
        ("ftp://example.org/", "https://"),
        ("file:///etc/passwd", "https://"),
        ("javascript:alert(1)", "https://"),
        ("https://ana:secret@example.org/", "password"),
        ("https://example.org:25/", "port"),
        ("https://127.0.0.1/", "private"),
        ("https://2130706433/", "private"),
        ("https://0x7f.1/", "private"),
        ("https://0177.0.0.1/", "private"),
        ("https://127.1/", "private"),
        ("https://[::1]/", "private"),
        ("https://[::ffff:169.254.169.254]/", "private"),
        ("https://１２７.0.0.1/", "private"),
        ("https://192.168.7.2/", "private"),
    ] {
        let said = nobody.check(bad).expect_err(bad);
        assert!(said.contains(what), "{bad}: {said}");
    }
    assert!(nobody.check(&format!("https://example.org/{}", "x".repeat(2000))).is_err());
    let home = at_home();
    for fine in ["http://192.168.7.2:8123/hook", "https://192.168.7.2/", "http://[fd00:7::1]/"] {
        assert!(home.check(fine).is_ok(), "{fine}");
    }
    for bad in ["http://192.168.8.2/", "http://1.1.1.1/", "https://[fd00:8::1]/", "ftp://x/"] {
        assert!(home.check(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn what_is_mapped_is_what_it_maps(bits in any::<u32>()) {
        let four = Ipv4Addr::from_bits(bits);
        prop_assert_eq!(is_public(four.into()), is_public(four.to_ipv6_mapped().into()));
        // The standard library's own words, as far as it has them.
        let special = four.is_private() || four.is_loopback() || four.is_link_local()
            || four.is_multicast() || four.is_broadcast() || four.is_documentation()
            || four.is_unspecified();
        prop_assert!(!special || !is_public(four.into()));
    }

    #[test]
    fn no_text_leads_to_a_private_address(text in "https?://[0-9a-fx.\\[\\]:@/]{0,24}") {
        if let Ok(url) = Reach::default().check(&text) {
            let literal = match url.host() {
                Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
                Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
                _ => None,
            };
            prop_assert!(literal.is_none_or(is_public));
        }
    }
}
