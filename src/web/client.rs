//! Who asks, and under which address: what of it can be believed.

use std::net::IpAddr;

use ipnet::IpNet;
use salvo::http::header::{HOST, HeaderMap, USER_AGENT};
use salvo::{Depot, Request};

/// What is known about the client of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientInfo {
    /// The client's address; the proxy's when nobody trusted says more.
    pub ip: Option<IpAddr>,
    /// Scheme and host that links begin with, without a slash at the end.
    base_url: String,
    /// The host that the request was sent to, as the client says.
    host: String,
    is_person: bool,
    is_base_configured: bool,
    behind_trusted_proxy: bool,
    behind_unknown_proxy: bool,
}

/// Words in the names of programs that look at pages for somebody: a look of theirs is no visit.
const BOTS: [&str; 24] = [
    "bot",
    "crawl",
    "spider",
    "slurp",
    "preview",
    "facebookexternalhit",
    "whatsapp",
    "telegram",
    "skype",
    "embed",
    "curl/",
    "wget/",
    "python-",
    "go-http",
    "okhttp",
    "axios",
    "headless",
    "monitor",
    "uptime",
    "pingdom",
    "probe",
    "kube-",
    "prometheus",
    "lighthouse",
];

impl ClientInfo {
    /// Reads a request. Forwarding headers count only when `trusted` has the address that the
    /// connection comes from; `configured`, where set, is the base of every link.
    pub(super) fn read(request: &Request, trusted: &[IpNet], configured: Option<&str>) -> Self {
        let headers = request.headers();
        let peer = request.remote_addr().clone().into_std().map(|address| canonical(address.ip()));
        let is_trusted = |ip: &IpAddr| trusted.iter().any(|network| network.contains(ip));
        let behind_trusted_proxy = peer.as_ref().is_some_and(is_trusted);
        let ip =
            if behind_trusted_proxy { forwarded_for(headers, is_trusted).or(peer) } else { peer };
        let base_url =
            configured.map_or_else(|| told_base_url(request, behind_trusted_proxy), str::to_owned);
        let host = told_host(request, behind_trusted_proxy);
        let behind_unknown_proxy = !behind_trusted_proxy
            && headers.contains_key("x-forwarded-for")
            && peer.as_ref().is_some_and(is_near);
        Self {
            ip,
            base_url,
            host,
            is_person: is_person(headers),
            is_base_configured: configured.is_some(),
            behind_trusted_proxy,
            behind_unknown_proxy,
        }
    }

    /// The client of the request that `depot` belongs to.
    #[must_use]
    pub fn of(depot: &Depot) -> Self {
        depot.get_typed::<Self>().cloned().unwrap_or_else(|_| Self {
            ip: None,
            base_url: String::new(),
            host: String::new(),
            is_person: false,
            is_base_configured: false,
            behind_trusted_proxy: false,
            behind_unknown_proxy: false,
        })
    }

    /// The absolute address of a path that begins with a slash.
    #[must_use]
    pub fn absolute(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// True when `origin` (RFC 6454: `scheme://host:port`) is this site: as it is configured, or
    /// under the name by which the client came, which no other site can choose.
    #[must_use]
    pub fn is_at(&self, origin: &str) -> bool {
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        origin.eq_ignore_ascii_case(&self.base_url) || host.eq_ignore_ascii_case(&self.host)
    }

    /// True unless the client is known to be a program that nobody watches: a crawler, a link
    /// preview, a health check, a prefetch.
    #[must_use]
    pub fn is_person(&self) -> bool {
        self.is_person
    }

    /// True when the base of every link is configured.
    #[must_use]
    pub fn is_base_configured(&self) -> bool {
        self.is_base_configured
    }

    /// True when the connection comes from a proxy whose headers are believed.
    #[must_use]
    pub fn is_behind_trusted_proxy(&self) -> bool {
        self.behind_trusted_proxy
    }

    /// True when the connection seems to come from a proxy of this site that nobody configured:
    /// its address stands for all visitors.
    #[must_use]
    pub fn is_behind_unknown_proxy(&self) -> bool {
        self.behind_unknown_proxy
    }
}

/// True for an address of this machine or its own network, where the site's proxies are.
fn is_near(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// An IPv4 address that came as IPv6 (`::ffff:192.0.2.1`) is the IPv4 address.
fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// The nearest address in `X-Forwarded-For` that is not a trusted proxy's: everything to its left
/// was said by that client and proves nothing.
fn forwarded_for(headers: &HeaderMap, is_trusted: impl Fn(&IpAddr) -> bool) -> Option<IpAddr> {
    let mut hops = Vec::new();
    for value in headers.get_all("x-forwarded-for") {
        hops.extend(value.to_str().ok()?.split(',').map(str::trim));
    }
    for hop in hops.iter().rev() {
        let ip = canonical(hop.trim_matches(['[', ']']).parse().ok()?);
        if !is_trusted(&ip) {
            return Some(ip);
        }
    }
    None
}

fn told_base_url(request: &Request, behind_trusted_proxy: bool) -> String {
    let proto = forwarded(request, "x-forwarded-proto", behind_trusted_proxy);
    let is_https = proto.is_some_and(|proto| proto.eq_ignore_ascii_case("https"));
    let scheme = if is_https { "https" } else { "http" };
    format!("{scheme}://{}", told_host(request, behind_trusted_proxy))
}

fn told_host(request: &Request, behind_trusted_proxy: bool) -> String {
    let header = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    let told = [
        forwarded(request, "x-forwarded-host", behind_trusted_proxy),
        header,
        request.uri().authority().map(|authority| authority.as_str()),
    ];
    told.into_iter().flatten().find(|host| is_host(host)).unwrap_or("localhost").to_owned()
}

/// What a trusted proxy says of the request that it took. Each proxy of a chain adds its word;
/// the first one is nearest to the client, and a trusted proxy lets no client's word stand.
fn forwarded<'r>(request: &'r Request, name: &str, behind_trusted_proxy: bool) -> Option<&'r str> {
    let header = request.headers().get(name).filter(|_| behind_trusted_proxy)?;
    header.to_str().ok()?.split(',').next().map(str::trim)
}

/// True for a host name or address with or without a port, and nothing else.
fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= 255
        && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]_".contains(c))
}

fn is_person(headers: &HeaderMap) -> bool {
    let text = |name: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_lowercase()
    };
    let agent = text(USER_AGENT.as_str());
    let prefetch = ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .iter()
        .any(|name| text(name).contains("prefetch") || text(name).contains("preview"));
    !agent.is_empty() && !prefetch && !BOTS.iter().any(|word| agent.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().expect("name"), value.parse().expect("value")))
            .collect::<Vec<(salvo::http::HeaderName, salvo::http::HeaderValue)>>()
            .into_iter()
            .collect()
    }

    #[test]
    fn believes_the_nearest_untrusted_hop_only() {
        let trusted: IpNet = "10.0.0.0/8".parse().expect("network");
        let is_trusted = |ip: &IpAddr| trusted.contains(ip);
        let found = |value| forwarded_for(&headers(&[("x-forwarded-for", value)]), is_trusted);
        assert_eq!(found("6.6.6.6, 192.0.2.7, 10.1.1.1"), "192.0.2.7".parse().ok());
        assert_eq!(found("6.6.6.6, nonsense, 10.1.1.1"), None);
        assert_eq!(found("[2001:db8::1]"), "2001:db8::1".parse().ok());
        assert_eq!(found("10.2.2.2, 10.1.1.1"), None);
    }

    #[test]
    fn tells_people_from_programs() {
        let person = |agent| is_person(&headers(&[("user-agent", agent)]));
        assert!(person("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X)"));
        assert!(!person("WhatsApp/2.23.20"));
        assert!(!person("Mozilla/5.0 (compatible; Googlebot/2.1)"));
        assert!(!is_person(&HeaderMap::new()));
        assert!(!is_person(&headers(&[
            ("user-agent", "Mozilla/5.0"),
            ("sec-purpose", "prefetch")
        ])));
    }

    #[test]
    fn reads_a_chain_of_proxies() {
        let mut request = Request::default();
        for (name, value) in [
            ("x-forwarded-proto", "HTTPS, http"),
            ("x-forwarded-host", "rsvp.example.org, b.internal"),
            ("host", "b.internal:8000"),
        ] {
            request.headers_mut().insert(name, value.parse().expect("a value"));
        }
        assert_eq!(told_base_url(&request, true), "https://rsvp.example.org");
        assert_eq!(told_base_url(&request, false), "http://b.internal:8000");
        request.headers_mut().insert("x-forwarded-host", "no host".parse().expect("a value"));
        assert_eq!(told_base_url(&request, true), "https://b.internal:8000");
    }

    #[test]
    fn takes_no_host_with_anything_beside_a_host() {
        assert!(is_host("rsvp.example.org:8443") && is_host("[::1]:8000"));
        assert!(!is_host("evil/@example.org") && !is_host("a b") && !is_host(""));
    }
}
