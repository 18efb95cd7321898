// Keys of the label queue, and the highlighting of an aspect's words. All of it also works with the buttons.
(function () {
  "use strict";
  var letters = {
    q: "quality", p: "price", h: "shipping", c: "service", k: "packaging", f: "size_fit", d: "design", e: "performance",
    b: "usability", a: "accessories", t: "authenticity", g: "general"
  };
  var words = { "-": "negative", "n": "negative", "0": "neutral", "+": "positive", "=": "positive", "y": "positive", "x": "absent" };
  var chosen = null;

  function mark() {
    document.querySelectorAll("kbd[data-letter]").forEach(function (key) {
      var letter = Object.keys(letters).find(function (l) { return letters[l] === key.dataset.letter; });
      if (letter) { key.textContent = letter; }
    });
  }
  mark();
  document.body.addEventListener("htmx:afterSwap", mark);

  function choose(row) {
    document.querySelectorAll("[data-aspect-row]").forEach(function (other) {
      other.classList.toggle("bg-[var(--accent-soft)]", other === row);
    });
    chosen = row ? row.dataset.aspectRow : null;
  }

  document.addEventListener("keydown", function (event) {
    if (!document.querySelector("[data-labels]") || event.ctrlKey || event.metaKey || event.altKey) { return; }
    var at = event.target;
    if (at.matches("input, select, textarea") || at.isContentEditable) { return; }
    // A focused button or link keeps its own Enter and Space.
    if ((event.key === "Enter" || event.key === " ") && at.matches("button, a, summary")) { return; }
    if (event.key === "Escape") { choose(null); return; }
    if (chosen && words[event.key]) {
      var row = document.querySelector("[data-aspect-row='" + chosen + "']");
      event.preventDefault();
      chosen = null;
      row.querySelector("[value='" + words[event.key] + "']").click();
      return;
    }
    var letter = letters[event.key];
    var found = letter && document.querySelector("[data-aspect-row='" + letter + "']");
    if (found) { event.preventDefault(); choose(found); return; }
    var button = Array.from(document.querySelectorAll("[data-labels] [data-key]")).find(function (b) {
      return b.dataset.key === event.key;
    });
    if (button) {
      event.preventDefault();
      choose(null);
      if (button.matches("select")) { button.focus(); } else { button.click(); }
    }
  });

  document.addEventListener("click", function (event) {
    var help = event.target.closest("[data-help]");
    if (help) {
      var box = document.getElementById("label-help");
      box.hidden = !box.hidden;
      help.setAttribute("aria-expanded", String(!box.hidden));
    }
    var chip = event.target.closest("[data-show-aspect]");
    if (chip) {
      var on = chip.getAttribute("aria-pressed") !== "true";
      document.querySelectorAll("[data-show-aspect]").forEach(function (other) {
        other.setAttribute("aria-pressed", String(other === chip && on));
        other.classList.toggle("btn-primary", other === chip && on);
        other.classList.toggle("btn-ghost", !(other === chip && on));
      });
      document.querySelectorAll("[data-aspects]").forEach(function (piece) {
        var speaks = !on || piece.dataset.aspects.split(" ").includes(chip.dataset.showAspect);
        piece.classList.toggle("opacity-40", !speaks);
      });
    }
  });
})();
