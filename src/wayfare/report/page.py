"""The frame of every page: one file, light and dark, readable without a network, on paper and by a screen reader.

Nothing on a page is fetched: styles and script are inline, figures are data URIs, and a content security policy forbids
the rest. Without a script all is visible and follows the reader's colour scheme; the script adds the theme switch, the
copy button, and opens folded parts for printing.
"""

from __future__ import annotations

import html
import re
from base64 import b64encode
from collections.abc import Mapping

from wayfare.report.palette import DARK, LIGHT, Theme

__all__ = ["escape", "frame", "picture", "with_links"]

ENLARGED = 1.2
PICTURES = {"png": "image/png", "svg": "image/svg+xml", "svg_dark": "image/svg+xml"}


def escape(value: object) -> str:
    """`value` as text that is safe in HTML and in attributes."""
    return html.escape(str(value), quote=True)


def frame(title: str, body: str, *, home: str | None = None) -> str:
    """The whole document around `body` (trusted HTML). home: address that the word mark leads to."""
    mark = f'<a class="mark" href="{escape(home)}">Wayfare</a>' if home else '<span class="mark">Wayfare</span>'
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n<script>{EARLY_SCRIPT}</script>\n</head>\n<body>\n"
        '<a class="skip" href="#content">Skip to the content</a>\n'
        f'<header class="top"><div>{mark}<button id="theme" type="button" hidden>Dark</button></div></header>\n'
        f'<main id="content">\n{body}\n</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n'
    )


def picture(made: Mapping[str, bytes], description: str) -> str:
    """A drawn figure as images: the SVG of each theme where there is one, else the PNG. `description` is read aloud."""
    kinds = [("svg", "on-light"), ("svg_dark", "on-dark")] if made.get("svg") and made.get("svg_dark") else []
    kinds = kinds or [(kind, "") for kind in ("svg", "png") if made.get(kind)][:1]
    return "".join(
        f'<img class="{look}" alt="{escape(description)}"{_size(made[kind])} src="data:{PICTURES[kind]};base64,'
        f'{b64encode(made[kind]).decode()}">'
        for kind, look in kinds
    )


def _size(svg: bytes) -> str:
    """Width and height in pixels, so that the page does not jump; drawn larger than on paper, to match the text."""
    found = [re.search(rb'<svg[^>]*\s%s="([\d.]+)pt"' % side, svg[:2000]) for side in (b"width", b"height")]
    width, height = (round(float(points[1]) * 4 / 3 * ENLARGED) if points else 0 for points in found)
    return f' width="{width}" height="{height}"' if width and height else ""


def with_links(citation: str) -> str:
    """Escaped text whose arXiv numbers, DOIs and addresses are links."""
    found = re.compile(
        r"arXiv[:\s]+(?P<arxiv>\d{4}\.\d{4,5})|doi[:\s]+(?P<doi>10\.\S+[^\s.,;])|(?P<web>https?://[^\s<>\"']+)"
    )
    parts, end = [], 0
    for hit in found.finditer(citation):
        if hit["arxiv"]:
            address = f"https://arxiv.org/abs/{hit['arxiv']}"
        else:
            address = f"https://doi.org/{hit['doi']}" if hit["doi"] else hit["web"].rstrip(".,;")
        stop = hit.end() if not hit["web"] else hit.start() + len(address)
        parts += [
            escape(citation[end : hit.start()]),
            f'<a href="{escape(address)}">{escape(citation[hit.start() : stop])}</a>',
        ]
        end = stop
    return "".join([*parts, escape(citation[end:])])


POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def _variables(theme: Theme, page: str, sunken: str) -> str:
    states = "".join(f"--{name}:{colour};" for name, colour in theme.states.items())
    return (
        f"color-scheme:{theme.name};--page:{page};--sunken:{sunken};--surface:{theme.surface};--ink:{theme.ink};"
        f"--soft:{theme.soft};--rule:{theme.rule};--accent:{theme.learned['full']};{states}"
    )


_ON_LIGHT = _variables(LIGHT, "#faf9f6", "#f1f0ec")
_ON_DARK = _variables(DARK, "#101217", "#1e222b")


def _dark_rules(root: str) -> str:
    return f"{root}{{{_ON_DARK}}}{root} img.on-light{{display:none}}{root} img.on-dark{{display:block}}"


STYLE = (
    f":root{{{_ON_LIGHT}}}\n"
    f"@media screen and (prefers-color-scheme:dark){{{_dark_rules(':root:not([data-theme=light])')}}}\n"
    f"@media screen{{{_dark_rules(':root[data-theme=dark]')}}}\n"
    """
img.on-dark{display:none}
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;background:var(--page);color:var(--ink);
  font:16px/1.6 Inter,"Source Sans 3",system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
  font-feature-settings:"kern","liga"}
h1,h2,.claim,.mark{
  font-family:"Source Serif 4","Iowan Old Style",Charter,"Palatino Linotype",Palatino,Georgia,serif}
a{color:var(--accent);text-underline-offset:.18em;text-decoration-thickness:.06em}
:focus-visible{outline:2px solid var(--accent);outline-offset:3px;border-radius:3px}
.skip{position:absolute;left:-999px}
.skip:focus{left:1rem;top:.6rem;background:var(--surface);padding:.3rem .8rem;z-index:2}
.top>div,main{max-width:66rem;margin:0 auto;padding:0 1.5rem}
.top>div{display:flex;justify-content:space-between;align-items:center;padding-top:1.1rem;padding-bottom:1.1rem}
.mark{font-weight:600;font-size:1.1rem;letter-spacing:.01em;color:var(--ink);text-decoration:none}
button{font:inherit;font-size:.8rem;color:var(--soft);background:none;border:1px solid var(--rule);
  border-radius:99px;padding:.2rem .85rem;cursor:pointer}
button:hover{color:var(--ink);border-color:var(--soft)}
main{padding-bottom:5rem}
.eyebrow{margin:2.2rem 0 .5rem;color:var(--soft);font-size:.82rem;letter-spacing:.07em;text-transform:uppercase}
h1{font-size:clamp(2rem,5vw,3.1rem);line-height:1.1;font-weight:600;letter-spacing:-.015em;margin:0;
  max-width:30ch;text-wrap:balance}
.claim{font-size:1.28rem;line-height:1.5;margin:1.1rem 0 .6rem;max-width:44rem;text-wrap:pretty}
.paper{color:var(--soft);font-size:.92rem;margin:0;max-width:46rem}
h2{font-size:1.6rem;line-height:1.2;font-weight:600;letter-spacing:-.01em;margin:3.6rem 0 .4rem}
.lead{color:var(--soft);max-width:44rem;margin:.2rem 0 1.2rem}
.verdict{display:grid;grid-template-columns:auto 1fr;gap:.1rem 1.1rem;align-items:center;margin:2rem 0 0;
  padding:1.15rem 1.4rem;background:var(--surface);border:1px solid var(--rule);
  border-left:5px solid var(--state);border-radius:8px}
.verdict .sign{grid-row:span 2;font-size:1.5rem;line-height:1;color:var(--state);border:2px solid;
  border-radius:50%;width:2.6rem;height:2.6rem;display:grid;place-items:center}
.verdict strong{font-size:1.2rem;line-height:1.35}
.verdict span.detail{color:var(--soft);font-size:.95rem}
.holds{--state:var(--holds)}
.fails{--state:var(--fails)}
.undecided{--state:var(--undecided)}
.untested{--state:var(--untested)}
.facts{display:flex;flex-wrap:wrap;gap:.9rem 2.6rem;margin:1.5rem 0 0}
.facts div{min-width:5rem}
.facts dt{color:var(--soft);font-size:.78rem}
.facts dd{margin:0;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto;background:var(--surface);border:1px solid var(--rule);border-radius:8px}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.6rem .9rem;text-align:left;vertical-align:top;border-top:1px solid var(--rule)}
thead th{border-top:0;color:var(--soft);font-weight:500;font-size:.8rem;white-space:nowrap;
  vertical-align:bottom}
tbody th{font-weight:500}
.number{text-align:right;white-space:nowrap}
tbody th.group{background:var(--sunken);color:var(--soft);font-size:.8rem;padding:.4rem .9rem}
table.checks{min-width:54rem;line-height:1.4}
.checks td{white-space:nowrap}
.checks tbody th{width:33%}
.checks tbody th.group{width:auto}
.checks small{display:block;color:var(--soft);font-weight:400;font-size:.8rem;margin-top:.12rem}
.checks th small{white-space:normal}
.place{display:block;width:190px;height:26px}
.place .side{fill:var(--holds);opacity:.14}
.place .edge{stroke:var(--soft);stroke-width:1}
.place .range{stroke:var(--state);stroke-width:2.6;stroke-linecap:round}
.place .dot{fill:var(--state);stroke:var(--state);stroke-width:2}
.undecided .place .dot{fill:var(--surface)}
.pill{display:inline-block;color:var(--state);border:1px solid;border-radius:99px;padding:.05rem .65rem;
  font-size:.8rem;font-weight:600;white-space:nowrap}
figure{margin:1.6rem 0 0;padding:1.1rem 1.2rem;background:var(--surface);border:1px solid var(--rule);
  border-radius:8px}
figure img{display:block;max-width:100%;height:auto;margin:0 auto}
figure img.on-dark{display:none}
figcaption{color:var(--soft);font-size:.92rem;line-height:1.5;margin:.8rem auto 0;max-width:46rem}
figcaption b{color:var(--ink)}
details{margin-top:.8rem;background:var(--surface);border:1px solid var(--rule);border-radius:8px}
summary{cursor:pointer;padding:.7rem .9rem;font-weight:500}
summary .count{color:var(--soft);font-weight:400;margin-left:.5rem}
details .wide{border:0;border-top:1px solid var(--rule);border-radius:0 0 8px 8px;max-height:34rem;
  overflow:auto}
details table{font-size:.85rem}
table.pairs th{width:16rem}
details th,details td{padding:.35rem .9rem}
details thead th{position:sticky;top:0;background:var(--surface)}
.csv{float:right;font-size:.85rem;font-weight:400}
pre{position:relative;background:var(--sunken);border-radius:8px;padding:.9rem 1.1rem;margin:.8rem 0;
  overflow-x:auto;font:.88rem/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;
  white-space:pre-wrap}
pre code{font:inherit}
pre button{position:absolute;right:.6rem;top:.6rem;background:var(--surface)}
td.bar{width:50%;vertical-align:middle}
.bar span{display:inline-block;height:.55rem;border-radius:3px;background:var(--accent);opacity:.75;min-width:2px}
ul.notes{padding-left:1.2rem;max-width:46rem}
ul.notes li{margin:.35rem 0}
.cards{display:grid;gap:1.2rem;grid-template-columns:repeat(auto-fill,minmax(19rem,1fr));padding:0;
  list-style:none;margin-top:1.6rem}
.cards li{background:var(--surface);border:1px solid var(--rule);border-radius:8px;padding:1.1rem 1.2rem;
  display:flex;flex-direction:column;gap:.5rem;position:relative}
.cards h2{font-size:1.25rem;margin:0}
.cards p{margin:0;font-size:.92rem}
.cards .soft{color:var(--soft);font-size:.85rem}
.cards a::after{content:"";position:absolute;inset:0}
.cards img{width:100%;height:auto}
.cards a{text-decoration:none;color:inherit}
.cards li:hover{border-color:var(--soft)}
.cards .pill{align-self:flex-start}
footer{margin-top:4rem;padding-top:1.2rem;border-top:1px solid var(--rule);color:var(--soft);font-size:.85rem}
@media screen and (max-width:52rem){
  .top>div,main{padding-left:1rem;padding-right:1rem}
  figure{padding:.7rem}
  .claim{font-size:1.12rem}
  table.checks{min-width:0}
  .checks,.checks tbody,.checks td,.checks th{display:block}
  .checks thead{display:none}
  .checks tr{display:grid;grid-template-columns:1fr auto;gap:.35rem 1rem;padding:.8rem .9rem;
    border-top:1px solid var(--rule)}
  .checks tbody th,.checks td{border:0;padding:0}
  .checks tbody th{grid-column:1/-1;width:auto}
  .checks td:nth-child(2),.checks td:nth-child(5){justify-self:end;grid-column:2}
  .checks td:nth-child(2){grid-row:2}
  .checks td:nth-child(3){grid-row:2;grid-column:1}
  .checks td:nth-child(4)::before{content:"claimed "}
  .checks tbody th.group{background:none;padding:0}
  .checks tr:has(.group){background:var(--sunken);padding:.4rem .9rem}
  .place{width:130px;height:18px}
}
@page{margin:15mm}
@media print{
  body{background:#fff;font-size:10.5pt}
  .top button,.skip,pre button,.csv{display:none}
  .top>div,main{max-width:none;padding:0}
  h2{break-after:avoid;margin-top:1.6rem}
  h1{font-size:24pt}
  figure,tr,.verdict,summary{break-inside:avoid}
  summary{break-after:avoid}
  .wide,details .wide{overflow:visible;max-height:none}
  table.checks{min-width:0;font-size:8.5pt;line-height:1.3}
  .checks th,.checks td{padding:.3rem .5rem}
  .checks small,.pill{font-size:7.5pt}
  .checks tbody th{width:36%}
  .checks tbody th.group{width:auto}
  .place{width:110px;height:15px}
  a{color:inherit}
}
"""
)

EARLY_SCRIPT = (
    "try{var t=localStorage.getItem('wayfare-theme');if(t)document.documentElement.dataset.theme=t}catch(e){}"
)

SCRIPT = """
(function(){
var root=document.documentElement,button=document.getElementById('theme');
var system=matchMedia('(prefers-color-scheme: dark)');
function dark(){return root.dataset.theme?root.dataset.theme==='dark':system.matches}
function show(){button.textContent=dark()?'Light':'Dark';
button.setAttribute('aria-label','Switch to the '+(dark()?'light':'dark')+' theme')}
button.hidden=false;show();system.addEventListener('change',show);
button.addEventListener('click',function(){root.dataset.theme=dark()?'light':'dark';show();
try{localStorage.setItem('wayfare-theme',root.dataset.theme)}catch(e){}});
document.querySelectorAll('pre').forEach(function(block){if(!navigator.clipboard)return;
var copy=document.createElement('button');copy.type='button';copy.textContent='Copy';block.appendChild(copy);
copy.addEventListener('click',function(){navigator.clipboard.writeText(block.querySelector('code').textContent).then(function(){
copy.textContent='Copied';setTimeout(function(){copy.textContent='Copy'},1500)})})});
var folded=[];
addEventListener('beforeprint',function(){folded=[].slice.call(document.querySelectorAll('details:not([open])'));
folded.forEach(function(d){d.open=true})});
addEventListener('afterprint',function(){folded.forEach(function(d){d.open=false})});
})();
"""
