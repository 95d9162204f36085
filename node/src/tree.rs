//! A lineage as a tree in the terminal.

use std::collections::BTreeSet;

use phytomer_registry::{Certificate, CertificateId, Lineage, Status};
use termtree::Tree;

/// Draws the lineage from its roots down. A lot with several parents is drawn
/// in full below the first and named below the others.
pub(crate) fn render(lineage: &Lineage) -> String {
    let children: BTreeSet<CertificateId> = lineage.edges.iter().map(|edge| edge.child).collect();
    let mut drawn = BTreeSet::new();
    lineage
        .nodes
        .iter()
        .filter(|node| !children.contains(&node.id))
        .map(|root| branch(lineage, root, &mut drawn).to_string())
        .collect()
}

fn branch(
    lineage: &Lineage,
    node: &Certificate,
    drawn: &mut BTreeSet<CertificateId>,
) -> Tree<String> {
    if !drawn.insert(node.id) {
        return Tree::new(format!("#{} (above)", node.id));
    }
    let below = lineage
        .edges
        .iter()
        .filter(|edge| edge.parent == node.id)
        .filter_map(|edge| lineage.nodes.iter().find(|child| child.id == edge.child));
    let leaves: Vec<_> = below.map(|child| branch(lineage, child, drawn)).collect();
    Tree::new(label(lineage, node)).with_leaves(leaves)
}

fn label(lineage: &Lineage, node: &Certificate) -> String {
    let here = if node.id == lineage.focus { " ←" } else { "" };
    let status = match (&node.status, &node.status_cause) {
        (Status::Active, _) => String::from("active"),
        (status, Some(cause)) if cause.certificate != node.id => {
            format!("{status} with #{}", cause.certificate)
        }
        (status, Some(cause)) => format!("{status}: {} in block {}", cause.reason, cause.block),
        (status, None) => status.to_string(),
    };
    let name = node
        .scientific_name
        .as_deref()
        .unwrap_or("species not held here");
    format!(
        "#{} {name}, {} {}, {status}{here}",
        node.id, node.quantity.value, node.quantity.unit
    )
}
