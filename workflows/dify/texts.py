"""Every sentence an import report can hold, by code.

A code is public: clients and translations rely on it, so it is never renamed. The report stores the
English sentence together with its parameters; `localize` says it again in the reader's language.
"""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext


def gettext_noop(sentence: str) -> str:
    """Mark a sentence for translation; unlike Django's own it needs no settings."""
    return sentence


FAULTS = {
    "file_too_large": gettext_noop("The file is larger than {limit} MB."),
    "not_utf8": gettext_noop("The file is not UTF-8 text: byte {offset} cannot be read."),
    "file_empty": gettext_noop("The file is empty."),
    "bad_character": gettext_noop("The text holds a character that cannot be stored: {character}."),
    "not_yaml": gettext_noop("The file is not valid YAML: {problem}."),
    "directive_refused": gettext_noop(
        "YAML directives (lines that begin with %) are not accepted."
    ),
    "several_documents": gettext_noop("The file holds more than one YAML document."),
    "too_deep": gettext_noop("The file nests deeper than {limit} levels."),
    "too_many_values": gettext_noop("The file holds more than {limit} values."),
    "alias_refused": gettext_noop("YAML aliases are not accepted: *{name}."),
    "anchor_refused": gettext_noop("YAML anchors are not accepted: &{name}."),
    "tag_refused": gettext_noop("YAML tags are not accepted: {tag}."),
    "duplicate_key": gettext_noop("The key “{key}” stands twice in the same mapping."),
    "key_not_text": gettext_noop("A key must be text; put quotes around it: {key}."),
    "number_refused": gettext_noop("This number is too long or not finite: {value}."),
    "not_a_mapping": gettext_noop("The file must hold a mapping at its top, not {found}."),
    "kind_not_app": gettext_noop("The file describes a “{kind}”; only “app” can be imported."),
    "version_not_text": gettext_noop("The version must be text in quotes, not the number {value}."),
    "version_malformed": gettext_noop("“{value}” is not a version."),
    "mode_missing": gettext_noop("The file does not say which mode the app has (app.mode)."),
    "mode_unknown": gettext_noop("“{mode}” is not a mode that Dify has."),
    "mode_not_supported": gettext_noop(
        "Apps of mode “{mode}” cannot be imported yet; “workflow” and “advanced-chat” can."
    ),
    "workflow_missing": gettext_noop("The file holds no workflow graph (workflow.graph)."),
    "no_nodes": gettext_noop("The workflow has no nodes."),
    "wrong_type": gettext_noop("“{field}” must be {wanted}, not {found}."),
    "missing_field": gettext_noop("“{field}” is missing."),
    "node_id_missing": gettext_noop("A node has no id."),
    "duplicate_node": gettext_noop("The node id “{id}” is used twice."),
    "missing_kind": gettext_noop("The node “{id}” is connected but has no type."),
    "unknown_kind": gettext_noop("“{kind}” is not a node type that Dify has."),
    "kind_not_supported": gettext_noop("Nodes of type “{kind}” cannot be imported yet."),
    "dangling_edge": gettext_noop("The edge {source} → {target} leads to no node: “{missing}”."),
    "cycle": gettext_noop("These nodes wait for each other in a circle: {nodes}."),
    "start_missing": gettext_noop("The workflow has no start node."),
    "second_start": gettext_noop("A workflow has one start node; “{id}” is a further one."),
    "start_and_trigger": gettext_noop("A workflow has either a start node or triggers, not both."),
    "dangling_reference": gettext_noop("The reference “{reference}” leads to nothing: {why}."),
    "unknown_operator": gettext_noop("“{operator}” is not a comparison that Dify has."),
    "duplicate_name": gettext_noop("The name “{name}” is used twice here."),
    "id_too_long": gettext_noop("The id “{id}” is longer than {limit} characters."),
    "more_faults": gettext_noop("There are further faults; only the first {limit} are listed."),
}

WARNINGS = {
    "version_missing": gettext_noop("The file has no version; 0.1.0 is assumed."),
    "version_newer": gettext_noop("Version {version} is newer than {known}, the newest one known."),
    "version_older": gettext_noop("Version {version} is of an older generation than {known}."),
    "kind_missing": gettext_noop("The file does not say that it describes an app (kind: app)."),
    "end_missing": gettext_noop("No end node: a run has no outputs."),
    "answer_missing": gettext_noop("No answer node: the chat says nothing."),
    "unreachable_node": gettext_noop("No path leads from the start to this node; it never runs."),
    "unknown_handle": gettext_noop("The edge leaves by “{handle}”, which this node never chooses."),
    "literal_reference": gettext_noop(
        "“{reference}” is written in a way that is not read as a reference; it stays as it is."
    ),
    "dangling_reference": gettext_noop("The reference “{reference}” leads to nothing: {why}."),
    "empty_reference": gettext_noop("No variable is chosen here."),
    "chat_variable": gettext_noop("“{reference}” only has a value in a chat."),
    "hyphen_id": gettext_noop(
        "The id “{id}” cannot be written as a reference in a text; it can only be chosen."
    ),
    "secret_in_text": gettext_noop("This looks like a secret in plain sight: {hint}."),
    "empty_case": gettext_noop("The case “{case}” has no conditions."),
    "more_warnings": gettext_noop("There are further warnings; only the first {limit} are listed."),
}

REPAIRS = {
    "byte_order_mark": gettext_noop("The byte order mark at the beginning was taken off."),
    "json_wrapper": gettext_noop("The YAML was taken out of its JSON wrapper."),
    "bare_graph": gettext_noop("The file holds a graph alone; an app was put around it."),
    "id_as_text": gettext_noop("The number was taken as text."),
    "note_dropped": gettext_noop("A note was left out; it does nothing."),
    "note_edge_dropped": gettext_noop("An edge to a note was left out."),
    "kind_renamed": gettext_noop("The node type has its present name."),
    "handle_source": gettext_noop("An edge without a handle leaves by “source”."),
    "handle_success": gettext_noop("The success side of an error branch leaves by “source”."),
    "edge_id": gettext_noop("The edge got an id of its own."),
    "duplicate_edge": gettext_noop("The same edge stood twice; one was left out."),
    "cases_from_conditions": gettext_noop("The old form of conditions was turned into a case."),
    "case_id": gettext_noop("The case got the id that its edge uses."),
    "context_added": gettext_noop("The missing “context” was added, switched off."),
    "body_from_text": gettext_noop("The body written as text was turned into a list of parts."),
    "body_added": gettext_noop("The missing body was added, empty."),
    "groups_added": gettext_noop("The group settings without groups were switched off."),
    "positions": gettext_noop("Nodes without a position were laid out anew."),
    "more_repairs": gettext_noop("There are further repairs; only the first {limit} are listed."),
}

TEXTS: Mapping[str, Mapping[str, str]] = {
    "faults": FAULTS,
    "warnings": WARNINGS,
    "repairs": REPAIRS,
}


def localize(section: str, finding: Mapping[str, Any]) -> str:
    """The sentence of a stored finding in the active language."""
    template = TEXTS[section].get(finding.get("code", ""))
    if template is None or "params" not in finding:  # of an earlier release: as it was written
        return str(finding.get("message", ""))
    return gettext(template).format(**finding["params"])
