//! Variables that look like ours and are not.

/// True for the variables that Kubernetes gives every pod about a Service whose name begins with
/// `openrsvp` (<https://kubernetes.io/docs/concepts/services-networking/service/>, "Environment
/// variables"): `OPENRSVP_PORT=tcp://10.0.0.1:8000`, `OPENRSVP_SERVICE_HOST`, and so on.
pub(super) fn is_service_link(rest: &str, text: &str) -> bool {
    let is_address = text.starts_with("tcp://") || text.starts_with("udp://");
    rest.ends_with("SERVICE_HOST")
        || rest.contains("SERVICE_PORT")
        || (rest.ends_with("PORT") && is_address)
        || rest.split_once("PORT_").is_some_and(|(_, port)| {
            port.starts_with(|c: char| c.is_ascii_digit())
                && (port.contains("_TCP") || port.contains("_UDP"))
        })
}
