//! How many processors this process may use: its affinity mask, within the CPU quota of its cgroups.

use super::os;

/// At least 1.
pub fn allowed() -> u32 {
    os::affinity().min(quota().unwrap_or(u32::MAX)).max(1)
}

/// Whole processors of the tightest quota: of cgroup v2, from this process' group up, or of v1's own hierarchy.
fn quota() -> Option<u32> {
    let (mut text, mut least) = ([0u8; 1024], None);
    let mut take = |n: Option<u32>| least = [least, n].into_iter().flatten().min();
    let mut group = [0u8; 1024];
    if let Some(path) = os::file(b"/proc/self/cgroup\0", &mut group).and_then(own_group) {
        let mut end = path.len();
        loop {
            let mut name = Path::new();
            let parts = [&b"/sys/fs/cgroup"[..], &path[..end], b"/cpu.max"];
            if let Some(file) = name.join(&parts) {
                take(os::file(file, &mut text).and_then(cpu_max));
            }
            match path[..end].iter().rposition(|&b| b == b'/') {
                Some(slash) if end > 0 => end = slash,
                _ => break,
            }
        }
    }
    let mut other = [0u8; 64];
    let v1 = [&b"/sys/fs/cgroup/cpu/cpu.cfs_quota_us\0"[..], b"/sys/fs/cgroup/cpu/cpu.cfs_period_us\0"];
    let quota = os::file(v1[0], &mut text).and_then(number);
    take(quota.and_then(|q| share(q, os::file(v1[1], &mut other).and_then(number)?)));
    least
}

/// The group's path in `/proc/self/cgroup`: what follows `0::` at the start of a line.
fn own_group(text: &[u8]) -> Option<&[u8]> {
    text.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(b"0::")).map(|p| p.strip_suffix(b"/").unwrap_or(p))
}

/// `QUOTA PERIOD` in microseconds; `max` is no quota.
fn cpu_max(text: &[u8]) -> Option<u32> {
    let mut words = text.split(|b| b.is_ascii_whitespace());
    share(number(words.next()?)?, number(words.next()?)?)
}

/// Rounded down: a thread that has to pause for a part of each period makes the others of its team wait.
fn share(quota: u64, period: u64) -> Option<u32> {
    quota.checked_div(period).map(|n| u32::try_from(n).unwrap_or(u32::MAX).max(1))
}

fn number(text: &[u8]) -> Option<u64> {
    let digits = text.split(|b| b.is_ascii_whitespace()).next()?;
    core::str::from_utf8(digits).ok()?.parse().ok()
}

/// A file's name, put together.
struct Path {
    bytes: [u8; 1200],
}

impl Path {
    fn new() -> Path {
        Path { bytes: [0; 1200] }
    }

    /// The parts one after the other, and a zero byte; `None` if that is too long.
    fn join(&mut self, parts: &[&[u8]]) -> Option<&[u8]> {
        let mut len = 0;
        for p in parts {
            self.bytes.get_mut(len..len + p.len())?.copy_from_slice(p);
            len += p.len();
        }
        *self.bytes.get_mut(len)? = 0;
        self.bytes.get(..=len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_whole_processors() {
        assert_eq!(cpu_max(b"max 100000\n"), None);
        assert_eq!(cpu_max(b"200000 100000\n"), Some(2));
        assert_eq!((cpu_max(b"150000 100000\n"), cpu_max(b"50000 100000\n")), (Some(1), Some(1)));
        assert_eq!((cpu_max(b"1 0\n"), cpu_max(b"")), (None, None));
        assert_eq!(number(b"-1\n"), None);
    }

    #[test]
    fn the_group_is_the_line_of_version_two() {
        assert_eq!(own_group(b"1:name=systemd:/x\n0::/user/a\n"), Some(&b"/user/a"[..]));
        assert_eq!((own_group(b"0::/\n"), own_group(b"3:cpu:/\n")), (Some(&b""[..]), None));
    }

    #[test]
    fn there_is_a_processor() {
        assert!(allowed() >= 1 && allowed() <= os::affinity().max(1));
    }
}
