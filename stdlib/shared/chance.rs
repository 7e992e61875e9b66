//! Chance as Python has it: the same seed draws the same numbers as Ansible's `random`, `shuffle` and `password`.

use rand_mt::Mt;
use sha2::{Digest, Sha512};

/// Draws numbers: the same ones for the same seed, or whatever a source of chance gives.
pub enum Chance {
    /// Python's `Random(seed)`.
    Seeded(Box<Mt>),
    /// Python's `SystemRandom`, over 64 bits at a time.
    Free(fn() -> u64),
}

impl Chance {
    /// Python's `Random('text')`.
    pub fn of_text(seed: &str) -> Chance {
        let mut number = seed.as_bytes().to_vec();
        number.extend(Sha512::digest(seed));
        Chance::of_bytes(&number)
    }

    /// Python's `Random(12)`.
    pub fn of_number(seed: i64) -> Chance {
        Chance::of_bytes(&seed.unsigned_abs().to_be_bytes())
    }

    /// A generator whose key is a big-endian number, as words from its lowest on.
    fn of_bytes(number: &[u8]) -> Chance {
        let mut key: Vec<u32> =
            number.rchunks(4).map(|word| word.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte))).collect();
        while key.len() > 1 && key.last() == Some(&0) {
            key.pop();
        }
        Chance::Seeded(Box::new(Mt::new_with_key(key)))
    }

    fn bits(&mut self, count: u32) -> u64 {
        match self {
            Chance::Free(draw) => draw() >> (64 - count),
            Chance::Seeded(mt) if count <= 32 => u64::from(mt.next_u32() >> (32 - count)),
            Chance::Seeded(mt) => {
                let low = u64::from(mt.next_u32());
                low | u64::from(mt.next_u32() >> (64 - count)) << 32
            }
        }
    }

    /// A number from 0 on and smaller than `limit`, which must not be 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        let count = 64 - limit.leading_zeros();
        loop {
            let drawn = self.bits(count);
            if drawn < limit {
                return drawn;
            }
        }
    }

    /// One of these, unless there are none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.below(from.len() as u64) as usize) }
    }

    /// Python's `shuffle`.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.below(i as u64 + 1) as usize);
        }
    }

    /// Ansible's `random_password`: this many of these characters.
    pub fn text(&mut self, length: usize, chars: &str) -> String {
        let chars: Vec<char> = chars.chars().collect();
        (0..length).filter_map(|_| self.pick(&chars)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;

    /// The numbers are CPython's.
    #[test]
    fn a_seed_draws_what_python_draws() {
        let mut chance = Chance::of_text("nas");
        assert_eq!([60, 60, 1000, 1 << 40].map(|limit| chance.below(limit)), [17, 30, 170, 30_519_503_407]);
        let mut chance = Chance::of_number(-42);
        assert_eq!([100, 100].map(|limit| chance.below(limit)), [81, 14]);
        let mut list = [1, 2, 3, 4, 5];
        Chance::of_number(42).shuffle(&mut list);
        assert_eq!(list, [4, 2, 3, 5, 1]);
        assert_eq!(Chance::of_text("x").text(8, "abc"), "cbccbabc");
    }
}
