// A chart as a picture, and the page on paper. Colours come from the stylesheet, so they are written into a copy first.
(function () {
  "use strict";
  var PROPERTIES = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linejoin",
    "stroke-linecap", "font-size", "font-family", "font-weight"];

  function painted(svg) {
    var copy = svg.cloneNode(true);
    var from = svg.querySelectorAll("*");
    copy.querySelectorAll("*").forEach(function (node, i) {
      var style = getComputedStyle(from[i]);
      PROPERTIES.forEach(function (name) { node.setAttribute(name, style.getPropertyValue(name)); });
    });
    copy.querySelectorAll(".c-hit").forEach(function (node) { node.remove(); });
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    var box = svg.viewBox.baseVal;
    copy.setAttribute("width", box.width);
    copy.setAttribute("height", box.height);
    return copy;
  }

  function save(svg, name) {
    var box = svg.viewBox.baseVal, scale = 2;
    var image = new Image();
    image.onload = function () {
      var canvas = document.createElement("canvas");
      canvas.width = box.width * scale;
      canvas.height = box.height * scale;
      var context = canvas.getContext("2d");
      context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--surface");
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob(function (blob) {
        var link = document.createElement("a");
        link.href = URL.createObjectURL(blob);
        link.download = name;
        link.click();
        setTimeout(function () { URL.revokeObjectURL(link.href); }, 1000);
      }, "image/png");
    };
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(new XMLSerializer().serializeToString(painted(svg)));
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-chart-png], [data-print]");
    if (!button) { return; }
    if (button.hasAttribute("data-print")) { window.print(); return; }
    var shown = Array.from(document.querySelectorAll(button.dataset.chartPng + " svg.chart")).find(function (svg) {
      return svg.getClientRects().length > 0;
    });
    if (shown) { save(shown, button.dataset.name); }
  });
})();
