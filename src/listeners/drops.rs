//! What the kernel threw away because nobody had read it: `/proc/net/udp`.
//!
//! Of datagrams to a socket in the file system it throws none away: who sends to a full one waits, or is told.

use crate::disk::Disk;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// Largest table that is read, in bytes.
const TABLE_BYTES_MAX: u64 = 8 << 20;

/// Columns of the table, from 0.
const INODE: usize = 9;
const DROPS: usize = 12;

/// Returns how many datagrams the kernel has dropped for a socket so far; `None` where it does not say.
pub(super) fn dropped<D: Disk>(disk: &D, socket: BorrowedFd<'_>) -> Option<u64> {
    let inode = rustix::fs::fstat(socket).ok()?.st_ino;
    ["/proc/net/udp", "/proc/net/udp6"].iter().find_map(|path| {
        let table = disk.read_all(Path::new(path), TABLE_BYTES_MAX).ok()?;
        drops_of(&String::from_utf8_lossy(&table), inode)
    })
}

fn drops_of(table: &str, inode: u64) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_it = columns.get(INODE)?.parse() == Ok(inode);
        is_it.then(|| columns.get(DROPS)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_those_of_the_socket() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            \x20 512: 0100007F:2328 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 ffff 17\n\
            \x20 513: 0100007F:2329 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 17 2 ffff 3\n";
        assert_eq!(drops_of(table, 4711), Some(17));
        assert_eq!(drops_of(table, 17), Some(3));
        assert_eq!(drops_of(table, 1), None);
    }

    #[test]
    fn a_socket_that_nobody_reads_has_drops() {
        use std::os::fd::AsFd;
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4096).unwrap();
        assert_eq!(dropped(&crate::disk::RealDisk, socket.as_fd()), Some(0));
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..100 {
            sender.send_to(&[0; 1000], socket.local_addr().unwrap()).unwrap();
        }
        assert!(dropped(&crate::disk::RealDisk, socket.as_fd()).is_some_and(|drops| 50 < drops));
    }

    #[test]
    fn a_full_socket_in_the_file_system_tells_who_sends_and_drops_nothing() {
        use std::os::unix::net::UnixDatagram;
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("log.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.set_nonblocking(true).unwrap();
        let refused = (0_u32..).find_map(|number| {
            let sent = sender.send_to(&number.to_be_bytes(), &path);
            sent.err().map(|error| (number, error.kind()))
        });
        let (count, kind) = refused.unwrap();
        assert_eq!(kind, std::io::ErrorKind::WouldBlock);
        let mut buffer = [0; 8];
        for number in 0..count {
            assert_eq!(socket.recv(&mut buffer).unwrap(), 4);
            assert_eq!(buffer[..4], number.to_be_bytes());
        }
    }
}
