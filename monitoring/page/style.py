"""The style sheet: light, dark, narrow and printed. Plots take their colours from it, too."""

__all__ = ["STYLE"]

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --panel: #f5f7f9; --ink: #1c2733; --soft: #55626f; --line: #dfe4e9;
  --now: #1f66b0; --actual: #cc5a10; --reference: #97a3af; --band: #eef2f6;
  --fine: #176f45; --watch: #8a5a00; --act: #b3261e;
  --fine-back: #e8f5ee; --watch-back: #fdf3dc; --act-back: #fdeceb;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12171d; --panel: #1a2129; --ink: #e8edf2; --soft: #a3b0bd; --line: #2d3742;
    --now: #6cb0f5; --actual: #f29a5c; --reference: #7d8a97; --band: #1d2630;
    --fine: #6fd3a0; --watch: #efc46a; --act: #ff9c94;
    --fine-back: #16291f; --watch-back: #2c2412; --act-back: #331b1a;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main, header, footer, nav ul { max-width: 1120px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 40px; } #overview { padding-top: 24px; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 1.35rem; margin: 56px 0 4px; padding-top: 12px; letter-spacing: -0.005em; }
h3 { font-size: 1rem; margin: 0 0 4px; }
p { margin: 0 0 12px; max-width: 46em; }
a { color: var(--now); }
.lead { color: var(--soft); margin: 0 0 20px; }
.intro { color: var(--soft); }
nav { position: sticky; top: 0; background: var(--paper); border-bottom: 1px solid var(--line);
  z-index: 2; }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 22px; list-style: none; padding-top: 10px;
  padding-bottom: 10px; font-size: 0.92rem; }
nav a { color: var(--soft); text-decoration: none; }
nav a:hover, nav a:focus-visible { color: var(--now); text-decoration: underline; }
:focus-visible { outline: 2px solid var(--now); outline-offset: 2px; }
section { scroll-margin-top: 60px; }
.verdict { border-radius: 10px; padding: 18px 22px; margin: 0 0 20px; border-left: 6px solid; }
.verdict strong { display: block; font-size: 1.15rem; }
.FINE { border-color: var(--fine); background: var(--fine-back); }
.WATCH { border-color: var(--watch); background: var(--watch-back); }
.ACT { border-color: var(--act); background: var(--act-back); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 12px;
  margin: 0 0 20px; padding: 0; }
.tile { background: var(--panel); border-radius: 10px; padding: 14px 16px; }
.tile dt { color: var(--soft); font-size: 0.85rem; }
.tile dd { margin: 2px 0 0; font-size: 1.3rem; font-weight: 600; line-height: 1.3;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.tile small { display: block; white-space: normal; overflow-wrap: anywhere;
  color: var(--soft); font-size: 0.82rem; font-weight: 400;
  line-height: 1.35; }
.findings { list-style: none; margin: 0 0 12px; padding: 0; }
.findings li { padding: 10px 0 10px 92px; border-top: 1px solid var(--line); position: relative; }
.findings li > .badge { position: absolute; left: 0; top: 12px; }
.findings .do { display: block; color: var(--soft); }
.badge { display: inline-block; border-radius: 99px; padding: 1px 10px; font-size: 0.8rem;
  font-weight: 600; white-space: nowrap; }
.badge.FINE { color: var(--fine); } .badge.WATCH { color: var(--watch); }
.badge.ACT { color: var(--act); } .badge.NONE { color: var(--soft); background: var(--panel); }
figure { margin: 18px 0 28px; padding: 18px 20px 14px; background: var(--panel);
  border-radius: 10px; break-inside: avoid; }
figcaption h3 { margin-bottom: 2px; }
figcaption p { color: var(--soft); font-size: 0.92rem; margin-bottom: 8px; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr));
  gap: 18px; margin: 18px 0 28px; }
.small { grid-template-columns: repeat(auto-fit, minmax(min(100%, 240px), 1fr)); gap: 12px; }
.grid figure { margin: 0; min-width: 0; }
.small figure { padding: 12px 14px 8px; }
.small h3 { font-size: 0.92rem; overflow-wrap: anywhere; }
.small figcaption p { font-size: 0.82rem; margin: 0; }
.plot { width: 100%; min-height: 40px; }
.plot svg { max-width: 100%; display: block; background: none !important; }
.key { white-space: nowrap; margin-right: 14px; font-size: 0.88rem; color: var(--soft); }
.key::before { content: ""; display: inline-block; width: 12px; height: 12px; border-radius: 3px;
  margin-right: 6px; vertical-align: -1px; background: var(--now); }
.key.actual::before { background: var(--actual); }
.key.reference::before { background: var(--reference); }
.note { font-size: 0.92rem; color: var(--soft); }
.note b { color: var(--ink); font-weight: 600; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 8px 0 20px; }
.facts dt { color: var(--soft); } .facts dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: 8px 0 16px; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding: 0 0 6px; }
th, td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
th.text, td.text { text-align: left; font-weight: 400; } thead th.text { font-weight: 600; }
tbody th.text { overflow-wrap: anywhere; min-width: 8em; }
th.number, td.number { text-align: right; white-space: nowrap; }
details { margin: 4px 0 8px; font-size: 0.92rem; }
summary { cursor: pointer; color: var(--soft); padding: 4px 0; }
code { font: 0.92em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  overflow-wrap: anywhere; }
footer { color: var(--soft); font-size: 0.88rem; margin-top: 56px; padding-bottom: 48px; }
#vg-tooltip-element { position: fixed; visibility: hidden; z-index: 9; padding: 8px 10px;
  border-radius: 6px; border: 1px solid var(--line); background: var(--paper); color: var(--ink);
  font-size: 0.85rem; max-width: 340px; pointer-events: none; }
#vg-tooltip-element.visible { visibility: visible; }
#vg-tooltip-element td { border: 0; padding: 1px 8px 1px 0; overflow-wrap: anywhere; }
#vg-tooltip-element td.key::before { display: none; }
@media (max-width: 640px) {
  main, header, footer, nav ul { padding-left: 16px; padding-right: 16px; }
  nav { position: static; }
  h1 { font-size: 1.6rem; }
  .findings li { padding-left: 0; padding-top: 38px; }
  .facts { grid-template-columns: 1fr; gap: 0; } .facts dd { margin-bottom: 8px; }
  figure { padding: 14px 12px 10px; }
}
@media print {
  :root {
    --paper: #fff; --panel: #fff; --ink: #000; --soft: #444; --line: #ccc; --now: #1f66b0;
    --actual: #cc5a10; --reference: #97a3af; --band: #f1f3f5; --fine: #176f45; --watch: #8a5a00;
    --act: #b3261e; --fine-back: #fff; --watch-back: #fff; --act-back: #fff;
  }
  body { font-size: 11pt; } nav { display: none; } header { padding-top: 0; }
  main, header, footer { max-width: none; padding: 0; }
  figure, .tile, .verdict { border: 1px solid var(--line); }
  .plot svg { width: 100%; height: auto; }
  h2 { break-after: avoid; } .scroll { overflow: visible; } details:not([open]) { display: none; }
}
"""
