"""The JavaScript of a page: Vega's own, and the lines that draw each plot with it."""

from __future__ import annotations

from ..errors import MonitoringError

__all__ = ["DRAW", "vega"]

_SNIPPET = "window.vegaEmbed = vegaEmbed;"

# `ast` has Vega interpret its expressions: nothing is evaluated, so the page can forbid it.
# Both style sheets that Vega would add are left out: the page's own has what they say.
DRAW = """
const options = {
  mode: "vega-lite", ast: true, renderer: "svg", actions: false, defaultStyle: false,
  tooltip: {disableDefaultStyle: true},
};
for (const plot of document.querySelectorAll(".plot")) {
  const spec = JSON.parse(document.getElementById(plot.dataset.spec).textContent);
  vegaEmbed(plot, spec, options).then(
    () => { plot.dataset.drawn = "yes"; },
    (error) => {
      plot.dataset.drawn = "no";
      plot.textContent = "This plot could not be drawn; its figures are in the table below.";
      console.error(error);
    },
  );
}
"""


def vega() -> str:
    """Give Vega, Vega-Lite and Vega-Embed as one script.

    Raises
    ------
    MonitoringError
        If the extra that brings them is not installed.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise MonitoringError(
            "The page's plots need vl-convert, which is not installed.\n"
            "  What to do: pip install 'foresql[report]'"
        ) from error
    # An end tag inside of a text would end the script.
    return vl_convert.javascript_bundle(_SNIPPET).replace("</script", "<\\/script")
