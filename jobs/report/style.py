"""The look of the report: light and dark, on a screen and on paper."""

from __future__ import annotations

from rounds import origin

STYLE = """
:root{color-scheme:light dark;--paper:#fcfcfb;--card:#fff;--ink:#16181b;--soft:#55595f;--rule:#e3e4e1;--grid:#ececea;
--main:#2166b8;--band:#2166b826;--other:#c05a1c;--spread:#c9cdd2;--good:#1a7f37;--bad:#c0262d;--warn:#9a6700;
--good-bg:#e6f4ea;--bad-bg:#fdebec;--warn-bg:#fff4d6}
@media (prefers-color-scheme:dark){:root{--paper:#151618;--card:#1c1e21;--ink:#eceef0;--soft:#a6abb2;--rule:#34373c;
--grid:#2a2d31;--main:#6aa9f0;--band:#6aa9f030;--other:#f0955a;--spread:#4a4f56;--good:#5ecb7b;--bad:#ff8086;
--warn:#e8b84a;--good-bg:#16301d;--bad-bg:#3a1a1c;--warn-bg:#352a10}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:36px 28px 60px}
header p:first-child{margin:0;color:var(--soft)} h1{margin:2px 0 14px;font-size:30px;line-height:1.2;font-weight:650}
h2{font-size:20px;margin:0 0 6px;font-weight:620} h3{font-size:15px;margin:0 0 8px;font-weight:600}
section{margin-top:44px} .lead{margin:0 0 14px;color:var(--soft);max-width:78ch}
.badge{margin-left:10px;padding:1px 10px;border-radius:99px;background:var(--warn-bg);color:var(--warn);font-weight:600}
.verdict{display:inline-flex;gap:10px;margin:0;padding:8px 16px;border-radius:8px;font-weight:600}
.verdict.pass{background:var(--good-bg);color:var(--good)} .verdict.refuse{background:var(--bad-bg);color:var(--bad)}
.verdict.alarm{background:var(--warn-bg);color:var(--warn)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:14px;margin-top:22px}
.tile{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:14px 16px}
.tile b{display:block;font-size:27px;line-height:1.2;font-weight:620} .tile span{display:block}
.tile small{color:var(--soft);font-size:13px}
.wide{overflow-x:auto;border:1px solid var(--rule);border-radius:10px;background:var(--card)}
table{border-collapse:collapse;width:100%;font-size:14px} td,th{padding:8px 12px;text-align:left;vertical-align:top}
th{color:var(--soft);font-weight:500;border-bottom:1px solid var(--rule);white-space:nowrap}
tbody tr+tr td{border-top:1px solid var(--grid)} .n{font-variant-numeric:tabular-nums;white-space:nowrap}
.word{white-space:nowrap;font-weight:600} .word span{display:inline-block;width:1.3em}
.word.pass{color:var(--good)} .word.refuse{color:var(--bad)} .word.alarm{color:var(--warn)}
.says{margin:4px 0 0;color:var(--soft);max-width:70ch} .faint{color:var(--soft)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:18px}
figure{margin:0;padding:16px 18px;background:var(--card);border:1px solid var(--rule);border-radius:10px}
figcaption{color:var(--soft);font-size:13.5px;margin-top:8px}
section>svg{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:10px;margin-bottom:14px}
svg{display:block;width:100%;height:auto;font:12px system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
svg text{fill:var(--soft)} svg .label{font-size:12.5px} svg .note{font-size:12px}
svg .strong{fill:var(--ink);font-weight:600}
svg .end{text-anchor:end} svg .middle{text-anchor:middle} svg .main-word{fill:var(--main);font-weight:600}
svg .other-word{fill:var(--other);font-weight:600} .grid{stroke:var(--grid)} .axis{stroke:var(--soft)}
.main,.other,.reference{fill:none;stroke-linejoin:round} .main{stroke:var(--main);stroke-width:2.4}
.thin{stroke-width:1.4}
.other{stroke:var(--other);stroke-width:1.8} .reference{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:5 4}
.band{fill:var(--band)} .spread{fill:var(--spread)} .spread-main{fill:var(--main)} .mark{stroke:var(--soft)}
.whisker{stroke:var(--main);stroke-width:1.6} .point{fill:var(--main);stroke:var(--card);stroke-width:1.5}
dl{display:grid;grid-template-columns:max-content 1fr;gap:8px 22px;margin:0} dt{font-weight:600}
dd{margin:0;max-width:78ch}
@media (max-width:640px){dl{display:block} dd{margin-bottom:10px} main{padding:22px 14px}}
@media print{:root{--paper:#fff;--card:#fff;--ink:#000;--soft:#444;--rule:#bbb;--grid:#ddd;--main:#1f5fae;
--band:#1f5fae26;--other:#a84c14;--spread:#c9cdd2;--good:#1a6d31;--bad:#a81e25;--warn:#7d5400;--good-bg:#eef6f0;
--bad-bg:#fbeeee;--warn-bg:#fbf5e4} *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
main{max-width:none;padding:0} body{font-size:12px} section{margin-top:26px}
figure,tr,.tile,section>svg{break-inside:avoid}
h2,.lead{break-after:avoid} .plots{grid-template-columns:1fr 1fr} .wide{overflow:visible}}
"""


def badge(of: str) -> str:
    """What stands beside a model's name where its rows were invented."""
    words = origin.badge(of)
    return f'<span class="badge">{words}</span>' if words else ""
