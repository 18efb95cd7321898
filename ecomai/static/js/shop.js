/* EcomAI for shop pages: see docs/storefront.md. No dependency, at most 2 kB when compressed. */
((w, d, n) => {
  "use strict";
  const script = d.currentScript, set = script.dataset, api = set.api || new URL("/api/v1/", script.src).href;
  const refused = n.doNotTrack === "1" || n.globalPrivacyControl, early = w.EcomAI, memory = {};
  let allowed = false, sending = false, timer, tokens = {};

  /* localStorage, or this page's memory where the browser has none */
  const get = (name) => { try { return memory[name] || w.localStorage["ecomai." + name]; } catch { } };
  const put = (name, value) => {
    delete memory[name];
    try {
      if (value) w.localStorage["ecomai." + name] = value;
      else delete w.localStorage["ecomai." + name];
    } catch { memory[name] = value; }
  };
  const waiting = () => JSON.parse(get("events") || "[]");
  const uuid = () => "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (c) =>
    (c ^ (w.crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (c / 4)))).toString(16));
  const call = (path, body) => w.fetch(api + path, {
    method: body ? "POST" : "GET", body, keepalive: !!body, credentials: "omit",
    headers: { Authorization: "Bearer " + set.key, ...(body && { "Content-Type": "application/json" }) }
  });
  const later = (wait) => { clearTimeout(timer); timer = setTimeout(send, wait); };

  /* An event stays until it is sure that it arrived: sent twice, it counts once. */
  async function send() {
    const events = waiting().slice(0, 100), ids = events.map((e) => e.id);
    if (!allowed || sending || !ids[0]) return;
    sending = true;
    const status = await call("events/", JSON.stringify({ events, sent_at: new Date() })).then((a) => a.status, () => 0);
    sending = false;
    if (![200, 400, 413, 415].includes(status)) return later(30000);
    if (!allowed) return;
    put("events", JSON.stringify(waiting().filter((e) => !ids.includes(e.id))));
    later(0);
  }
  function track(kind, more = {}) {
    if (!allowed) return;
    const event = { id: uuid(), visitor: get("visitor"), kind, at: new Date(), locale: set.locale,
      exposure_token: tokens[more.product], ...more };
    put("events", JSON.stringify([...waiting(), event].slice(-500)));
    later(1000);
  }

  async function ask(product, elements) {
    const query = new URLSearchParams({ visitor: get("visitor"), "segment[device]": w.innerWidth < 768 ? "mobile" : "desktop" });
    for (const name of ["locale", "currency"]) if (set[name]) query.set(name, set[name]);
    const answer = await call(`products/${encodeURIComponent(product)}/?${query}`).catch(() => ({}));
    if (!answer.ok || !allowed) return;
    const found = await answer.json(), texts = { ...found.texts, ...found };
    for (const root of elements) for (const element of [root, ...root.querySelectorAll("[data-ecomai-text]")]) {
      const name = element.dataset.ecomaiText, text = texts[name];
      if (text) element[name === "description_html" ? "innerHTML" : "textContent"] = text;
    }
    tokens[product] = found.experiments[0]?.exposure_token;
    track("view", { product });
  }
  function show(root = d) {
    const found = {};
    if (allowed) for (const element of root.querySelectorAll("[data-ecomai-product]"))
      (found[element.dataset.ecomaiProduct] ||= []).push(element);
    for (const product in found) ask(product, found[product]);
  }
  function consent(yes) {
    const before = allowed;
    allowed = !!yes && !refused;
    if (!allowed) { put("visitor"); put("events"); tokens = {}; return; }
    if (!get("visitor")) put("visitor", uuid());
    if (!before) { show(); send(); }
  }

  d.addEventListener("click", ({ target }) => {
    const at = target.closest?.("[data-ecomai-event]"), more = {};
    if (!at) return;
    more.product = at.closest("[data-ecomai-product]")?.dataset.ecomaiProduct;
    for (const name of ["sku", "value", "currency", "name"]) more[name] = at.dataset[name];
    more.quantity = +at.dataset.quantity || 1;
    track(at.dataset.ecomaiEvent, more);
  });
  w.addEventListener("online", send);
  w.addEventListener("pagehide", send);
  w.EcomAI = { consent, track, show, visitor: () => allowed ? get("visitor") : null };
  if (Array.isArray(early)) for (const [name, ...rest] of early) w.EcomAI[name](...rest);
})(window, document, navigator);
