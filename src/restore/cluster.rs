//! The cluster of a restore: nodes, groups, and the rows of each group. Texts have the form of the server's own flags.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;

use crate::error::{Error, Result};
use crate::format::b64::URL_SAFE;
use crate::format::raft::node_id;
use crate::format::raft::peers::Peer;
use crate::format::route::{partition, route};

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The Raft id.
    pub id: String,
    /// Host and port on which the group listens on this member.
    pub address: String,
}

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaftGroup {
    /// Its number.
    pub id: u64,
    /// Its members, by node id.
    pub members: Vec<Member>,
}

/// The routes of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ShardRange {
    start: Vec<u8>,
    end: Option<Vec<u8>>,
    group: u64,
}

/// How the rows of a queue are placed: the group of each partition, by the name of the queue in base64url.
type Partitions = BTreeMap<String, Vec<u64>>;

/// The values of the flags.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `ID=HOST:PORT` of each node.
    pub nodes: Vec<String>,
    /// `--raftGroups` of the server: `GROUP=HOST:PORT,…`, for one node.
    pub groups: Option<String>,
    /// `--raftGroupPeers` of the server: `GROUP=ID@HOST:PORT,…;…`.
    pub group_peers: Option<String>,
    /// `--shardRanges` of the server: `START:END=GROUP,…`.
    pub shard_ranges: Option<String>,
    /// `--sqsFifoPartitionMap` of the server: `QUEUE:N=GROUP,…;…`.
    pub partitions: Option<String>,
}

/// A cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The Raft ids of its nodes, in the given order.
    pub nodes: Vec<String>,
    /// Its groups.
    pub groups: Vec<RaftGroup>,
    /// Whether a node has a directory for each group.
    pub is_multi: bool,
    ranges: Vec<ShardRange>,
    partitions: Partitions,
}

impl Cluster {
    /// Reads the flags.
    ///
    /// # Errors
    /// Text that the server would reject, or that contradicts itself.
    pub fn parse(flags: &Flags) -> Result<Cluster> {
        let nodes = flags.nodes.iter().map(|text| node(text)).collect::<Result<Vec<_>>>()?;
        let groups = match (&flags.groups, &flags.group_peers) {
            (Some(_), Some(_)) => {
                return Err(bad("the addresses of groups are given twice, alone and with peers: give one of the two"));
            }
            (Some(text), None) => of_one_node(&nodes, text)?,
            (None, Some(text)) => split(text, ';').map(group_peers).collect::<Result<_>>()?,
            (None, None) => vec![RaftGroup { id: 1, members: nodes.clone() }],
        };
        let nodes =
            if nodes.is_empty() { groups.first().map(|g| g.members.clone()).unwrap_or_default() } else { nodes };
        let mut cluster = Cluster {
            nodes: nodes.into_iter().map(|node| node.id).collect(),
            ranges: Vec::new(),
            partitions: Partitions::new(),
            is_multi: groups.len() > 1,
            groups,
        };
        cluster.check_members()?;
        let all = || cluster.groups.first().map(|group| ShardRange { start: Vec::new(), end: None, group: group.id });
        cluster.ranges = match &flags.shard_ranges {
            Some(text) => split(text, ',').map(shard_range).collect::<Result<_>>()?,
            None if cluster.groups.len() > 1 => {
                return Err(bad("with several groups, shard ranges must say which rows each group has"));
            }
            None => all().into_iter().collect(),
        };
        cluster.check_ranges()?;
        let partitions = flags.partitions.iter().flat_map(|text| split(text, ';'));
        cluster.partitions = partitions.map(partition_map).collect::<Result<_>>()?;
        let placed = cluster.partitions.values().flatten().chain(cluster.ranges.iter().map(|range| &range.group));
        match placed.copied().find(|id| cluster.position(*id).is_none()) {
            Some(id) => Err(bad(format!(
                "group {id} has ranges or partitions, but is not one of the groups: add it, or correct its number"
            ))),
            None => Ok(cluster),
        }
    }

    /// Every node is in every group: the server starts all groups with one list of Raft ids.
    fn check_members(&mut self) -> Result<()> {
        let nodes: BTreeSet<&str> = self.nodes.iter().map(String::as_str).collect();
        if nodes.is_empty() {
            return Err(bad("no node is given: name one as ID=HOST:PORT"));
        }
        if nodes.len() < self.nodes.len() {
            return Err(bad("a node is given twice"));
        }
        let numbers: BTreeSet<u64> = nodes.iter().map(|id| node_id(id)).collect();
        if numbers.len() < nodes.len() {
            return Err(bad("two Raft ids have the same hash, which a server refuses: choose another id"));
        }
        let mut ids = BTreeSet::new();
        for group in &self.groups {
            if !ids.insert(group.id) {
                return Err(bad(format!("group {} is given twice", group.id)));
            }
            if group.id == 0 {
                return Err(bad("group 0 gives out timestamps and has no rows: name it only to the server"));
            }
            let members: BTreeSet<&str> = group.members.iter().map(|member| member.id.as_str()).collect();
            if members != nodes || members.len() < group.members.len() {
                return Err(bad(format!(
                    "the members of group {} are not the nodes: each group must have every node once",
                    group.id
                )));
            }
        }
        for group in &mut self.groups {
            group.members.sort_by_key(|member| node_id(&member.id));
        }
        Ok(())
    }

    fn check_ranges(&mut self) -> Result<()> {
        self.ranges.sort_by(|a, b| a.start.cmp(&b.start));
        let ends = self.ranges.iter().map(|range| &range.end);
        for (end, next) in ends.zip(self.ranges.iter().skip(1)) {
            if end.as_ref().is_none_or(|end| *end > next.start) {
                let start = next.start.escape_ascii();
                return Err(bad(format!("two shard ranges include the key \"{start}\": only one group can have it")));
            }
        }
        Ok(())
    }

    /// Whether one group has every possible row.
    pub fn has_all(&self) -> bool {
        let all = |range: &ShardRange| range.start.is_empty() && range.end.is_none();
        self.groups.len() == 1 && self.partitions.is_empty() && self.ranges.iter().any(all)
    }

    fn position(&self, id: u64) -> Option<usize> {
        self.groups.iter().position(|group| group.id == id)
    }

    /// The group that owns a row, by its position; `None` if the row is in no range. `scratch` is used for the route.
    pub fn group_of(&self, user_key: &[u8], scratch: &mut Vec<u8>) -> Option<usize> {
        if let (false, Some((queue, partition))) = (self.partitions.is_empty(), partition(user_key)) {
            let groups = self.partitions.get(std::str::from_utf8(queue).ok()?)?;
            return self.position(*groups.get(partition as usize)?);
        }
        let route = route(user_key, scratch);
        let behind = self.ranges.partition_point(|range| range.start.as_slice() <= route);
        let range = self.ranges.get(behind.checked_sub(1)?)?;
        let inside = range.end.as_ref().is_none_or(|end| route < end.as_slice());
        inside.then(|| self.position(range.group)).flatten()
    }
}

impl RaftGroup {
    /// The members in the form of a server's file.
    pub fn peers(&self) -> Vec<Peer> {
        let peer = |Member { id, address }: &Member| Peer {
            node_id: node_id(id),
            learner: false,
            id: id.clone(),
            address: address.clone(),
        };
        self.members.iter().map(peer).collect()
    }

    /// Where the group listens on a node.
    pub fn address(&self, node: &str) -> Option<&str> {
        self.members.iter().find(|member| member.id == node).map(|member| member.address.as_str())
    }
}

fn bad(words: impl Into<String>) -> Error {
    Error::command_line(words)
}

/// The parts of a list, as the server reads it: spaces around them and empty parts are ignored.
fn split(text: &str, at: char) -> impl Iterator<Item = &str> {
    text.split(at).map(str::trim).filter(|part| !part.is_empty())
}

fn pair<'t>(text: &'t str, at: char, form: &str) -> Result<(&'t str, &'t str)> {
    let parts = text.split_once(at).map(|(left, right)| (left.trim(), right.trim()));
    parts.filter(|(left, _)| !left.is_empty()).ok_or_else(|| bad(format!("\"{text}\" is not of the form {form}")))
}

fn number(text: &str, of: &str) -> Result<u64> {
    text.trim().parse().map_err(|_| bad(format!("\"{of}\": \"{text}\" is not the number of a group")))
}

fn member(id: &str, address: &str, of: &str) -> Result<Member> {
    // It becomes the name of a directory, and a part of lists.
    let plain = !matches!(id, "." | "..") && !id.contains(['/', '\0', '=', ',', ';', '@']);
    if !plain {
        return Err(bad(format!("\"{of}\": a Raft id is a plain name, not \"{}\"", id.escape_debug())));
    }
    let listens = address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
    if !listens || address.contains([',', ';', '=', '@']) || address.contains(char::is_whitespace) {
        return Err(bad(format!("\"{of}\": \"{address}\" is not of the form HOST:PORT")));
    }
    Ok(Member { id: id.to_owned(), address: address.to_owned() })
}

fn node(text: &str) -> Result<Member> {
    let (id, address) = pair(text, '=', "ID=HOST:PORT")?;
    member(id, address, text)
}

/// Several groups of one node: each has an address.
fn of_one_node(nodes: &[Member], text: &str) -> Result<Vec<RaftGroup>> {
    let [node] = nodes else {
        return Err(bad("addresses of groups are for one node: with several nodes, give the peers of each group"));
    };
    let group = |part| {
        let (id, address) = pair(part, '=', "GROUP=HOST:PORT")?;
        Ok(RaftGroup { id: number(id, part)?, members: vec![member(&node.id, address, part)?] })
    };
    split(text, ',').map(group).collect()
}

fn group_peers(text: &str) -> Result<RaftGroup> {
    let (id, members) = pair(text, '=', "GROUP=ID@HOST:PORT,…")?;
    let peer = |part| {
        let (id, address) = pair(part, '@', "ID@HOST:PORT")?;
        member(id, address, part)
    };
    Ok(RaftGroup { id: number(id, text)?, members: split(members, ',').map(peer).collect::<Result<_>>()? })
}

fn shard_range(text: &str) -> Result<ShardRange> {
    const FORM: &str = "START:END=GROUP";
    // Split like in the server: at the first equal sign, and before that at the first colon.
    let (range, group) = text.split_once('=').ok_or_else(|| bad(format!("\"{text}\" is not of the form {FORM}")))?;
    let (start, end) = range.split_once(':').ok_or_else(|| bad(format!("\"{text}\" is not of the form {FORM}")))?;
    let (start, end) = (start.trim().as_bytes().to_vec(), end.trim().as_bytes().to_vec());
    let end = (!end.is_empty()).then_some(end);
    if end.as_ref().is_some_and(|end| *end <= start) {
        return Err(bad(format!("\"{text}\": the start of a range must be below its end")));
    }
    Ok(ShardRange { start, end, group: number(group, text)? })
}

fn partition_map(text: &str) -> Result<(String, Vec<u64>)> {
    let (queue, groups) = pair(text, '=', "QUEUE:N=GROUP,…")?;
    let (queue, count) = pair(queue, ':', "QUEUE:N=GROUP,…")?;
    let groups = split(groups, ',').map(|id| number(id, text)).collect::<Result<Vec<_>>>()?;
    if count.parse() != Ok(groups.len()) {
        return Err(bad(format!("\"{text}\": the number of groups is {}, not {count}", groups.len())));
    }
    Ok((URL_SAFE.encode(queue), groups))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(nodes: &[&str], groups: &str, group_peers: &str, shard_ranges: &str, partitions: &str) -> Flags {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Flags {
            nodes: nodes.iter().map(|&node| node.to_owned()).collect(),
            groups: given(groups),
            group_peers: given(group_peers),
            shard_ranges: given(shard_ranges),
            partitions: given(partitions),
        }
    }

    #[test]
    fn rows_go_to_groups() {
        let ranges = ":h=1, h:t=2,t:=3";
        let given = flags(&["n=h:1"], "1=h:1,2=h:2, 3=h:3,", "", ranges, "q.fifo:2=2,3");
        let cluster = Cluster::parse(&given).unwrap();
        assert!(cluster.is_multi);
        for (key, want) in [
            (&b"!redis|str|a"[..], Some(0)),
            (b"!redis|str|h", Some(1)),
            (b"!redis|str|zz", Some(2)),
            (b"!sqs|queue|meta|x", Some(0)),
            (b"!sqs|msg|data|p|cS5maWZv|\0\0\0\x01x", Some(2)),
            (b"!sqs|msg|data|p|cS5maWZv|\0\0\0\x02x", None),
            (b"!sqs|msg|data|p|b3RoZXI|\0\0\0\0x", None),
        ] {
            assert_eq!(cluster.group_of(key, &mut Vec::new()), want, "{}", key.escape_ascii());
        }
        let part = Cluster::parse(&flags(&["n=h:1"], "", "", "b:d=1", "")).unwrap();
        for (key, want) in [(b"a", None), (b"b", Some(0)), (b"d", None)] {
            assert_eq!(part.group_of(key, &mut Vec::new()), want);
        }
    }

    #[test]
    fn members_are_sorted_by_node_id() {
        let cluster = Cluster::parse(&flags(&["n1=a:1", "n2=b:2", "n3=c:3"], "", "", "", "")).unwrap();
        let ids: Vec<u64> = cluster.groups[0].peers().iter().map(|peer| peer.node_id).collect();
        assert!(ids.is_sorted() && !cluster.is_multi);
        assert_eq!((cluster.nodes.len(), cluster.groups[0].address("n2")), (3, Some("b:2")));
        let peers = "2=n1@a:3,n2@b:4;1=n2@b:2,n1@a:1";
        let cluster = Cluster::parse(&flags(&[], "", peers, ":m=1,m:=2", "")).unwrap();
        assert_eq!((cluster.nodes, cluster.groups[1].address("n2")), (vec!["n1".into(), "n2".into()], Some("b:2")));
    }

    #[test]
    fn what_no_server_would_take() {
        for (nodes, groups, peers, ranges, partitions, want) in [
            (&[][..], "", "", "", "", "no node"),
            (&["n"][..], "", "", "", "", "ID=HOST:PORT"),
            (&["n=h"][..], "", "", "", "", "HOST:PORT"),
            (&["n=h:0"][..], "", "", "", "", "HOST:PORT"),
            (&["../n=h:1"][..], "", "", "", "", "plain name"),
            (&["n=h:1", "n=h:2"][..], "", "", "", "", "twice"),
            (&["n=h:1"][..], "1=h:1,1=h:2", "", ":=1", "", "twice"),
            (&["n=h:1"][..], "1=h:1,x=h:2", "", ":=1", "", "number of a group"),
            (&["n=h:1"][..], "1=h:1,2=h:2", "", "", "", "shard ranges must say"),
            (&["n=h:1"][..], "1=h:1,2=h:2", "", ":m=1,l:=2", "", "two shard ranges"),
            (&["n=h:1"][..], "1=h:1,2=h:2", "", ":=1,l:m=2", "", "two shard ranges"),
            (&["n=h:1"][..], "1=h:1,2=h:2", "", "m:a=1", "", "below its end"),
            (&["n=h:1"][..], "1=h:1,2=h:2", "", ":m=1,m:=3", "", "not one of the groups"),
            (&["n=h:1"][..], "1=h:1,2=h:2", "", "m=1", "", "START:END=GROUP"),
            (&["n=h:1"][..], "1=h:1", "1=n@h:1", ":=1", "", "give one of the two"),
            (&["n=h:1", "m=h:2"][..], "1=h:1,2=h:2", "", ":=1", "", "peers of each group"),
            (&["n=h:1", "m=h:2"][..], "", "1=n@h:1", ":=1", "", "not the nodes"),
            (&["n=h:1"][..], "", "", "", "q:2=1", "the number of groups is 1, not 2"),
            (&["n=h:1"][..], "", "", "", "q:1=7", "not one of the groups"),
        ] {
            let error = Cluster::parse(&flags(nodes, groups, peers, ranges, partitions)).err().map(|e| e.to_string());
            assert!(error.as_ref().is_some_and(|words| words.contains(want)), "{want}: {error:?}");
        }
    }
}
