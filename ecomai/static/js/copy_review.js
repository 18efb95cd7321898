// Keys of the review of texts: j and k move, a r e x act on the text in focus, A and R on all that are ticked.
(function () {
  "use strict";
  function texts() { return Array.from(document.querySelectorAll("[data-review] [data-asset]")); }

  function count() {
    var out = document.getElementById("bulk-count");
    if (out) { out.textContent = String(document.querySelectorAll("[name=ids]:checked").length); }
  }
  document.addEventListener("change", count);
  document.addEventListener("click", function (event) {
    if (event.target.closest("[data-action=check-all]")) { count(); }
  });

  document.addEventListener("keydown", function (event) {
    if (!document.querySelector("[data-review]") || event.ctrlKey || event.metaKey || event.altKey) { return; }
    var at = event.target;
    if (at.isContentEditable || at.matches("textarea, select, input:not([type=checkbox])")) { return; }
    var rows = texts();
    var current = at.closest("[data-asset]");
    if (event.key === "j" || event.key === "k") {
      var next = rows[current ? rows.indexOf(current) + (event.key === "j" ? 1 : -1) : 0];
      if (next) { event.preventDefault(); next.focus(); next.scrollIntoView({ block: "nearest" }); }
      return;
    }
    var all = event.key === "A" || event.key === "R";
    var scope = all ? document.getElementById("decide-many") : current;
    var button = scope && scope.querySelector("[data-key='" + event.key + "']");
    if (!button || (all && !document.querySelector("[name=ids]:checked"))) { return; }
    event.preventDefault();
    button.click();
    if (event.key === "r") {
      var why = button.parentElement.querySelector("input[name=reason]");
      if (why) { why.focus(); }
    }
  });

  // A card that was exchanged keeps the focus, and its tick.
  var ticked = false;
  document.body.addEventListener("htmx:beforeSwap", function (event) {
    var box = event.detail.target && event.detail.target.querySelector && event.detail.target.querySelector("[name=ids]");
    ticked = Boolean(box && box.checked);
  });
  document.body.addEventListener("htmx:afterSettle", function (event) {
    var card = event.detail.target && event.detail.target.id && document.getElementById(event.detail.target.id);
    if (!card || !card.matches("[data-asset]")) { return; }
    var box = card.querySelector("[name=ids]");
    if (box) { box.checked = ticked; }
    if (!card.querySelector("textarea")) { card.focus({ preventScroll: true }); }
    count();
  });
})();
