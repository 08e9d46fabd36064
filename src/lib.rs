//! A log shipper for web hosts.
