// Small behaviours of the shell. Everything works without it, only less comfortably.
(function () {
  "use strict";
  var root = document.documentElement;

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-action]");
    if (button) {
      var action = button.dataset.action;
      if (action === "theme") {
        root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
        try { localStorage.setItem("theme", root.dataset.theme); } catch (e) { /* storage is off */ }
      } else if (action === "nav") {
        var side = document.getElementById("side");
        var open = side.toggleAttribute("data-open");
        button.setAttribute("aria-expanded", String(open));
        if (open) { side.querySelector("a").focus(); }
      } else if (action === "jobs") {
        toggleJobs();
      } else if (action === "copy") {
        navigator.clipboard.writeText(button.dataset.text).then(function () { toast(button.dataset.done); });
      } else if (action === "dismiss") {
        button.closest(".toast").remove();
      } else if (action === "check-all") {
        document.querySelectorAll(button.dataset.target).forEach(function (box) { box.checked = button.checked; });
        countSelected();
      }
    }
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      if (!menu.contains(event.target)) { menu.removeAttribute("open"); }
    });
    var side2 = document.getElementById("side");
    if (side2 && side2.hasAttribute("data-open") && !side2.contains(event.target) && !event.target.closest("[data-action=nav]")) {
      side2.removeAttribute("data-open");
    }
  });

  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape") { return; }
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      menu.removeAttribute("open");
      menu.querySelector("summary").focus();
    });
    var drawer = document.getElementById("jobs");
    if (drawer && !drawer.hidden) { toggleJobs(); }
    var side = document.getElementById("side");
    if (side) { side.removeAttribute("data-open"); }
  });

  function toggleJobs() {
    var drawer = document.getElementById("jobs");
    var button = document.querySelector("[data-action=jobs]");
    drawer.hidden = !drawer.hidden;
    button.setAttribute("aria-expanded", String(!drawer.hidden));
    if (!drawer.hidden) {
      htmx.ajax("GET", drawer.dataset.url, { target: "#jobs-body", swap: "innerHTML" });
      drawer.focus();
    } else {
      document.getElementById("jobs-body").replaceChildren(); // a closed drawer asks for nothing
      button.focus();
    }
  }

  function toast(text, kind) {
    var box = document.createElement("div");
    box.className = "toast alert alert-" + (kind || "ok");
    box.setAttribute("role", "status");
    box.textContent = text;
    document.getElementById("toasts").append(box);
    setTimeout(function () { box.remove(); }, 6000);
  }
  document.body.addEventListener("toast", function (event) { toast(event.detail.text, event.detail.kind); });
  document.body.addEventListener("htmx:responseError", function (event) {
    toast(document.body.dataset.errorText + " (" + event.detail.xhr.status + ")", "bad");
  });

  // Whatever was sent may have begun a job: let the counter and the open drawer look.
  document.body.addEventListener("htmx:afterRequest", function (event) {
    if (event.detail.requestConfig.verb !== "get") { htmx.trigger(document.body, "jobs"); }
  });

  // What can't be taken back asks first.
  document.addEventListener("submit", function (event) {
    var asking = event.submitter && event.submitter.dataset.confirm;
    if (asking && !window.confirm(asking)) { event.preventDefault(); }
  });

  // A selection can be acted on: show how many.
  function countSelected() {
    var bar = document.getElementById("bulk");
    if (!bar) { return; }
    var n = document.querySelectorAll("[name=ids]:checked").length;
    bar.hidden = n === 0;
    var out = document.getElementById("bulk-count");
    if (out) { out.textContent = String(n); }
  }
  document.addEventListener("change", function (event) {
    if (event.target.name === "ids") { countSelected(); }
    if (event.target.matches("[data-autosubmit]")) { event.target.form.requestSubmit(); }
  });

  // Live counters: code points, display width, bytes.
  var wide = /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/;
  function measure(text) {
    var chars = Array.from(text.normalize("NFC"));
    var width = chars.reduce(function (n, c) { return n + (wide.test(c) ? 2 : 1); }, 0);
    return { chars: chars.length, width: width, bytes: new TextEncoder().encode(text).length };
  }
  document.addEventListener("input", function (event) {
    var field = event.target.closest("[data-counter]");
    if (!field) { return; }
    var out = document.getElementById(field.dataset.counter);
    var length = measure(field.value);
    var limit = Number(field.dataset.limit);
    out.textContent = length[field.dataset.unit] + " / " + limit;
    out.classList.toggle("counter-over", length[field.dataset.unit] > limit);
  });

  // Drag a file onto the upload field.
  document.querySelectorAll("[data-drop]").forEach(function (zone) {
    var input = zone.querySelector("input[type=file]");
    zone.addEventListener("dragover", function (event) { event.preventDefault(); });
    zone.addEventListener("drop", function (event) {
      event.preventDefault();
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
    input.addEventListener("change", function () {
      var name = zone.querySelector("[data-filename]");
      if (name && input.files.length) { name.textContent = input.files[0].name; }
    });
  });

  setTimeout(function () {
    document.querySelectorAll("#toasts .toast").forEach(function (box) { box.remove(); });
  }, 8000);
})();
