"""The report of one run: a single HTML file that states the verdict, shows the figures and opens what is behind them.

It leads with what was found, then how sure that is (every check against its threshold), then the figures and tables,
and last how to make it again. Objects are read by attribute: a live study and a record from JSON render alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from wayfare.report.page import escape, frame, picture, with_links
from wayfare.report.tables import to_csv, to_html
from wayfare.report.verdict import KINDS, STATES, Place, claimed, format_number, interval_text, lay_out, state, tally

__all__ = ["headline", "render", "verdict_state"]

SIGNS = {"holds": "\N{CHECK MARK}", "fails": "\N{MULTIPLICATION X}", "undecided": "?", "untested": "\N{EN DASH}"}
SAYINGS = {"holds": "The claim holds", "fails": "The claim fails", "undecided": "Undecided", "untested": "Not tested"}

LEADING_FACTS = ("scale", "seeds", "date", "device")
SHOWN_APART = ("config", "versions", "seconds", "command", *LEADING_FACTS)


def render(
    study: Any,
    findings: Any,
    run_info: Mapping[str, Any],
    figures: Mapping[str, Mapping[str, bytes]],
    *,
    home: str | None = None,
) -> str:
    """The page of one run.

    study: slug, title, paper, claim            findings: verdict, checks, tables, figures (name, caption), notes
    run_info: scale, seeds, date, device lead; command, config, versions and seconds (by part, with a `total`) each have
        their place; whatever else it holds (commit, CPU, threads) is listed under machine and code
    figures: what `plots.draw` made, by figure name     home: where the word mark leads
    """
    sections = [
        _head(study, findings, run_info),
        _figures(findings, figures, first=True),
        _checks(findings.checks),
        _figures(findings, figures, first=False),
        _tables(findings.tables),
        _notes(findings.notes),
        _making(study, run_info),
    ]
    return frame(f"{study.title} - Wayfare", "\n".join(part for part in sections if part), home=home)


def verdict_state(verdict: object) -> str:
    """The state of `STATES` that a study's verdict ('holds', 'undecided at 5 seeds', 'not yet run') amounts to."""
    word = str(verdict).lower()
    return next((name for name in ("holds", "fails", "undecided") if word.startswith(name)), "untested")


def headline(verdict: object) -> str:
    """The verdict as a short sentence: 'The claim holds.', 'Undecided at 5 seeds.', 'Not tested at this scale.'"""
    word, kind = str(verdict), verdict_state(verdict)
    if kind == "untested":
        return f"{word[:1].upper()}{word[1:]}."
    return f"{SAYINGS[kind]}{word[len(kind) :]}."


def _head(study: Any, findings: Any, run_info: Mapping[str, Any]) -> str:
    scale = f" · {run_info['scale']} scale" if run_info.get("scale") else ""
    kind = verdict_state(findings.verdict)
    return (
        f'<p class="eyebrow">Study <b>{escape(study.slug)}</b>{escape(scale)}</p>\n'
        f"<h1>{escape(study.title)}</h1>\n"
        f'<p class="claim">{escape(study.claim)}</p>\n<p class="paper">{with_links(str(study.paper))}</p>\n'
        f'<section class="verdict {kind}" aria-label="Verdict">'
        f'<span class="sign" aria-hidden="true">{SIGNS[kind]}</span>'
        f"<strong>{escape(headline(findings.verdict))}</strong>"
        f'<span class="detail">{escape(_gate(findings) or _count(findings.checks))}</span></section>\n'
        f"{_facts(run_info)}"
    )


def _gate(findings: Any) -> str:
    """Why nothing was tested, where the first check (that there is a failure to cure) does not hold."""
    first = findings.checks[0] if findings.checks else None
    if first is None or verdict_state(findings.verdict) != "untested" or first.kind != "instrument":
        return ""
    if state(first) == "holds":
        return ""
    return f"The baseline does not show the failure that the method cures: '{first.name}' does not hold."


def _count(checks: Sequence[Any]) -> str:
    """'Of 9 checks of the paper's claim, 7 hold, 1 fails and 1 is undecided; 3 more are outside of the verdict.'"""
    counts = tally(checks, "claim")
    total = sum(counts.values())
    if not total:
        return "No check of the paper's claim."
    many = {"holds": "hold", "fails": "fail", "undecided": "are undecided", "untested": "are not tested"}
    one = {"holds": "holds", "fails": "fails", "undecided": "is undecided", "untested": "is not tested"}
    if counts["holds"] == total:
        text = "Its one check holds" if total == 1 else f"All {total} checks of the paper's claim hold"
    else:
        said = [f"{n} {one[s] if n == 1 else many[s]}" for s, n in counts.items() if n]
        listed = " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)
        text = f"Of {total} check{'s' * (total > 1)} of the paper's claim, {listed}"
    other = len(checks) - total
    return f"{text}; {other} more {'is' if other == 1 else 'are'} outside of the verdict." if other else f"{text}."


def _facts(run_info: Mapping[str, Any]) -> str:
    total = _total(run_info.get("seconds"))
    facts = {"time": None if total is None else _duration(total), **{k: run_info.get(k) for k in LEADING_FACTS}}
    if facts.get("date"):
        facts["date"] = str(facts["date"])[:16].replace("T", " ")
    items = "".join(
        f"<div><dt>{escape(_words(key))}</dt><dd>{escape(format_number(value))}</dd></div>"
        for key, value in facts.items()
        if value not in (None, "")
    )
    return f'<dl class="facts">{items}</dl>' if items else ""


def _checks(checks: Sequence[Any]) -> str:
    if not checks:
        return ""
    places = {id(check): place for check, place in zip(checks, lay_out(checks), strict=True)}
    kinds = [*KINDS, *sorted({str(check.kind) for check in checks} - set(KINDS))]
    groups = []
    for kind in kinds:
        rows = "".join(_check(check, places[id(check)]) for check in checks if check.kind == kind)
        if rows:
            title = f'<tr><th class="group" colspan="5" scope="rowgroup">{escape(KINDS.get(kind, kind))}</th></tr>'
            groups.append(f"<tbody>{title}{rows}</tbody>")
    columns = ("Check", "Against its threshold", "Estimate [95 % interval]", "Claimed", "Verdict")
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    return (
        '<h2 id="checks">Checks</h2>\n<p class="lead">A check holds when its whole interval lies on the claimed side, '
        "shaded here. Rows of one unit share a scale.</p>\n"
        '<div class="wide" role="region" aria-labelledby="checks" tabindex="0"><table class="checks">'
        f"<thead><tr>{head}</tr></thead>{''.join(groups)}</table></div>"
    )


def _check(check: Any, place: Place) -> str:
    kind = state(check)
    reason = getattr(check, "reason", None) or ""
    verdict = str(reason) if kind == "untested" and reason else STATES[kind]
    measured = place.low is not None
    made = f"{check.n_seeds} seed{'s' * (check.n_seeds != 1)} · {check.method}"
    estimate = f"{interval_text(check)}<small>{escape(made if measured else '')}</small>"
    return (
        f'<tr class="{kind}"><th scope="row">{escape(check.name)}<small>{escape(check.statement)}</small></th>'
        f"<td>{_drawn(place)}</td><td>{estimate}</td>"
        f"<td>{escape(claimed(check))}<small>{escape(check.unit)}</small></td>"
        f'<td><span class="pill">{SIGNS[kind]} {escape(verdict)}</span></td></tr>'
    )


def _drawn(place: Place) -> str:
    """The interval against its threshold, 200 x 26; hidden from screen readers, since its numbers stand beside it."""

    def at(value: float) -> str:
        return f"{100 + 98 * value:.1f}"

    start, end = place.claimed
    side = f'<rect class="side" x="{at(start)}" y="3" width="{98 * (end - start):.1f}" height="20"/>'
    edges = "".join(f'<line class="edge" x1="{at(m)}" x2="{at(m)}" y1="3" y2="23"/>' for m in place.marks)
    drawn = ""
    if place.low is not None and place.estimate is not None and place.high is not None:
        drawn = f'<line class="range" x1="{at(place.low)}" x2="{at(place.high)}" y1="13" y2="13"/>'
        drawn += f'<circle class="dot" cx="{at(place.estimate)}" cy="13" r="4"/>'
    return f'<svg class="place" viewBox="0 0 200 26" aria-hidden="true" focusable="false">{side}{edges}{drawn}</svg>'


def _figures(findings: Any, figures: Mapping[str, Mapping[str, bytes]], *, first: bool) -> str:
    drawn = [(number, f) for number, f in enumerate(findings.figures, 1) if figures.get(f.name)]
    chosen = drawn[:1] if first else drawn[1:]
    parts = [
        f'<figure id="figure-{number}">{picture(figures[figure.name], figure.caption)}'
        f"<figcaption><b>Figure {number}.</b> {escape(figure.caption)}</figcaption></figure>"
        for number, figure in chosen
    ]
    return "\n".join(parts if first else ["<h2>Figures</h2>", *parts]) if parts else ""


def _tables(tables: Mapping[str, Any] | Sequence[Any]) -> str:
    listed = list(tables.values()) if isinstance(tables, Mapping) else list(tables)
    if not listed:
        return ""
    return "\n".join(["<h2>Tables</h2>", *(_folded(table) for table in listed)])


def _folded(table: Any) -> str:
    name = str(table.name)
    data = quote(to_csv(table))
    link = f'<a class="csv" download="{escape(name)}.csv" href="data:text/csv;charset=utf-8,{data}">CSV</a>'
    rows = f"{len(table.rows)} row{'s' * (len(table.rows) != 1)}"
    return (
        f'<details><summary>{escape(_words(name))}<span class="count">{rows}</span> {link}</summary>'
        f'<div class="wide" role="region" aria-label="{escape(name)}" tabindex="0">{to_html(table)}</div></details>'
    )


def _notes(notes: str | Sequence[str] | None) -> str:
    listed = [notes] if isinstance(notes, str) else list(notes or ())
    items = "".join(f"<li>{with_links(str(note))}</li>" for note in listed if str(note).strip())
    return f'<h2>Notes</h2>\n<ul class="notes">{items}</ul>' if items else ""


def _making(study: Any, run_info: Mapping[str, Any]) -> str:
    command = run_info.get("command") or f"wayfare run {study.slug}"
    parts = ["<h2>Make it again</h2>", f"<pre><code>{escape(command)}</code></pre>", _seconds(run_info.get("seconds"))]
    for title, field in (("Configuration", "config"), ("Versions", "versions")):
        if isinstance(run_info.get(field), Mapping):
            parts.append(_pairs(title, run_info[field]))
    rest = {k: v for k, v in run_info.items() if k not in SHOWN_APART and v not in (None, "")}
    plain = {k: v for k, v in rest.items() if not isinstance(v, Mapping)}
    parts += [_pairs("Machine and code", plain)] if plain else []
    parts += [_pairs(_words(key), value) for key, value in rest.items() if isinstance(value, Mapping)]
    return "\n".join(part for part in parts if part)


def _pairs(title: str, pairs: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(key)}</th><td>{escape("none" if value is None else value)}</td></tr>'
        for key, value in pairs.items()
    )
    table = f'<div class="wide"><table class="pairs">{rows}</table></div>'
    return f"<details><summary>{escape(title)}</summary>{table}</details>"


def _seconds(seconds: Any) -> str:
    if not isinstance(seconds, Mapping) or not seconds:
        return ""
    parts = {part: float(spent) for part, spent in seconds.items() if part != "total"}
    most = max(parts.values(), default=0.0) or 1.0
    rows = "".join(
        f'<tr><th scope="row">{escape(part)}</th><td class="number">{_duration(spent)}</td>'
        f'<td class="bar"><span style="width:{100 * spent / most:.1f}%"></span></td></tr>'
        for part, spent in sorted(parts.items(), key=lambda pair: -pair[1])
    )
    total = _duration(_total(seconds) or 0.0)
    return (
        f'<details><summary>Time by part<span class="count">{total}</span></summary>'
        f'<div class="wide"><table class="pairs">{rows}</table></div></details>'
    )


def _total(seconds: Any) -> float | None:
    if isinstance(seconds, Mapping):
        return float(seconds["total"]) if "total" in seconds else float(sum(float(v) for v in seconds.values()))
    return float(seconds) if isinstance(seconds, (int, float)) else None


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _words(name: str) -> str:
    text = str(name).replace("_", " ")
    return text[:1].upper() + text[1:]
