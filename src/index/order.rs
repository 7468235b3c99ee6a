//! Decides which raw keys to trust if keys do not ascend.
//!
//! A longest run of ascending keys leaves out the fewest. A key is trusted if every longest run has it and no rival contradicts it. A rival
//! is a key that is not in every longest run, but in a run that is nearly as long: if two keys cannot both be in order, either may be
//! wrong.

/// Runs that are shorter by up to this number of keys are considered too.
const MARGIN: usize = 1;

/// For each key, whether it is trusted. Keys below `floor` are not. Equal keys count as ascending.
pub(super) fn believed(keys: &[&[u8]], floor: Option<&[u8]>) -> Vec<bool> {
    let ascend = keys.is_sorted() && keys.first().is_none_or(|first| floor.is_none_or(|floor| floor <= *first));
    if ascend {
        return vec![true; keys.len()];
    }
    let possible = |key: &[u8]| floor.is_none_or(|floor| floor <= key);
    let lengths = lengths(keys, &possible);
    let most = lengths.iter().copied().max().unwrap_or(0);
    // The number of keys at each place of a longest run: if it is one, every longest run has this key.
    let (before, mut at_place) = (places(keys, &possible), vec![0_u32; most + 1]);
    for (length, place) in lengths.iter().zip(&before).filter(|(length, _)| **length == most) {
        at_place[*place] += u32::from(*length > 0);
    }
    let mut believed: Vec<bool> = lengths
        .iter()
        .zip(&before)
        .map(|(length, place)| *length == most && most > 0 && at_place[*place] == 1)
        .collect();
    let rivals = (0..keys.len()).filter(|i| !believed[*i] && lengths[*i] > 0 && lengths[*i] + MARGIN >= most);
    for i in against(keys, &believed, rivals.collect()) {
        believed[i] = false;
    }
    believed
}

/// For each key its place in the longest run that ends with it, from 1; 0 for keys that are not possible.
fn places(keys: &[&[u8]], possible: &dyn Fn(&[u8]) -> bool) -> Vec<usize> {
    let (mut ends, mut places) = (Vec::<&[u8]>::new(), Vec::with_capacity(keys.len()));
    for key in keys {
        if !possible(key) {
            places.push(0);
            continue;
        }
        let place = ends.partition_point(|end| end <= key);
        if place == ends.len() {
            ends.push(key)
        } else {
            ends[place] = key
        }
        places.push(place + 1);
    }
    places
}

/// For each key the length of the longest run that contains it.
fn lengths(keys: &[&[u8]], possible: &dyn Fn(&[u8]) -> bool) -> Vec<usize> {
    let mut lengths = places(keys, possible);
    let mut starts: Vec<&[u8]> = Vec::new();
    for (key, length) in keys.iter().zip(&mut lengths).rev().filter(|(_, length)| **length > 0) {
        let behind = starts.partition_point(|start| start >= key);
        if behind == starts.len() {
            starts.push(key)
        } else {
            starts[behind] = key
        }
        *length += behind;
    }
    lengths
}

/// The trusted keys that are out of order with one of `rivals`.
fn against(keys: &[&[u8]], believed: &[bool], rivals: Vec<usize>) -> Vec<usize> {
    let held: Vec<usize> = (0..keys.len()).filter(|i| believed[*i]).collect();
    // The number of ranges that begin at a place of `held`, minus those that end there.
    let mut steps = vec![0_i64; held.len() + 1];
    for rival in rivals {
        let here = held.partition_point(|i| *i < rival);
        let above = held.partition_point(|i| keys[*i] <= keys[rival]);
        let below = held.partition_point(|i| keys[*i] < keys[rival]);
        for (from, to) in [(above, here), (here, below)] {
            if from < to {
                steps[from] += 1;
                steps[to] -= 1;
            }
        }
    }
    let mut open = 0;
    let doubted = held.iter().zip(steps).filter(|(_, step)| {
        open += step;
        open > 0
    });
    doubted.map(|(i, _)| *i).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str, floor: Option<&str>) -> String {
        let keys: Vec<&[u8]> = text.split_inclusive(|_| true).map(str::as_bytes).collect();
        let believed = believed(&keys, floor.map(str::as_bytes));
        text.chars().zip(believed).filter(|(_, believed)| *believed).map(|(key, _)| key).collect()
    }

    #[test]
    fn what_is_left_out() {
        for (keys, want) in [
            ("", ""),
            ("abc", "abc"),
            ("aabbc", "aabbc"),
            // One that is far too large, or far too small, alone and with a neighbour.
            ("abcZdefgh", "abcdefgh"),
            ("abczdefgh", "abcdefgh"),
            ("abczydefgh", "abcdefgh"),
            ("abcyzdefgh", "abcdefgh"),
            ("defgabhijk", "defghijk"),
            // Three against four.
            ("defgabchijk", "hijk"),
            // Too large by one place or two: either of the two may be wrong.
            ("abdcefg", "abefg"),
            ("abecfg", "abfg"),
            ("abecdfg", "abfg"),
            ("abcghidefjkl", "abcjkl"),
            // By three.
            ("abfcdeghi", "abcdeghi"),
        ] {
            assert_eq!(kept(keys, None), want, "{keys}");
        }
        assert_eq!(kept("abcdef", Some("c")), "cdef");
        assert_eq!(kept("zabcdef", Some("c")), "cdef");
    }
}
