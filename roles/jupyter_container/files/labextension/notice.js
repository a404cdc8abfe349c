// An extension of JupyterLab as the browser takes it, without a build: it asks the server every few seconds whether the
// host is about to stop, and shows a notice with a button; where AWS takes the host back, it saves what is open. It uses
// nothing of JupyterLab but where the server is, and which documents are open.
(() => {
  const POLL = 10_000;
  const PRESENCE = 60_000;

  const token = () => (document.cookie.match(/(?:^|; )_xsrf=([^;]*)/) || [])[1] || "";

  const ask = async (url, method) => {
    const answer = await fetch(url, {
      method,
      cache: "no-store",
      credentials: "same-origin",
      headers: { "X-XSRFToken": token() },
    });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  };

  const make = (tag, style, text = "") => {
    const element = document.createElement(tag);
    element.textContent = text;
    Object.assign(element.style, style);
    return element;
  };

  const activate = (app) => {
    const url = `${app.serviceManager.serverSettings.baseUrl}dstk/idle`;
    let bar = null;
    let stopsAt = 0;
    let takenAt = 0;

    const hide = () => {
      if (bar) bar.remove();
      bar = null;
    };

    const moreTime = async () => {
      try {
        await ask(url, "POST");
        stopsAt = 0;
        hide();
      } catch {
        bar.querySelector("span").textContent = "That did not reach the server. Run a cell or save a file, and it goes on.";
      }
    };

    const show = (text, canAsk) => {
      if (!bar) {
        bar = make("div", {
          position: "fixed", bottom: "32px", right: "16px", zIndex: "10000", maxWidth: "420px", padding: "12px 16px",
          display: "flex", gap: "12px", alignItems: "center", borderRadius: "4px", font: "14px system-ui, sans-serif",
          color: "#1f1500", background: "#ffd75e", border: "1px solid #8a6500", boxShadow: "0 2px 8px #0006",
        });
        bar.id = "dstk-idle";
        bar.setAttribute("role", "alert");
        const button = make("button", {
          padding: "6px 12px", font: "inherit", fontWeight: "600", whiteSpace: "nowrap", cursor: "pointer",
          color: "#fff", background: "#3d2c00", border: "none", borderRadius: "3px",
        }, "More time");
        button.type = "button";
        button.onclick = moreTime;
        bar.append(make("span", {}), button);
        document.body.append(bar);
      }
      const words = bar.querySelector("span");
      if (words.textContent !== text) words.textContent = text;
      bar.querySelector("button").hidden = !canAsk;
    };

    // at each look again, for who is there may go on until the end
    const saveAll = async (text) => {
      const contexts = [...app.shell.widgets("main")].map((widget) => widget.context);
      const unsaved = new Set(contexts.filter((context) => context?.model?.dirty && context.contentsModel?.writable));
      if (unsaved.size) show(`${text} Work is being saved…`, false);
      try {
        await Promise.all([...unsaved].map((context) => context.save()));
        show(`${text} All work is saved; cells that run end with it.`, false);
      } catch {
        show(`${text} Your work could not be saved: save or download it now.`, false);
      }
    };

    const look = async () => {
      try {
        const { seconds_left: left, taken_in: taken } = await ask(`${url}?no_track_activity=1`, "GET");
        const end = taken === null ? 0 : Date.now() + taken * 1000;
        if (Math.abs(end - takenAt) > 3000) takenAt = end; // whole seconds come at other moments of a second
        if (takenAt) {
          const time = new Date(takenAt).toLocaleTimeString();
          return saveAll(`AWS takes this machine back. Your notebook stops at ${time}.`);
        }
        stopsAt = left === null ? 0 : Date.now() + left * 1000;
        if (!stopsAt) return hide();
        const minutes = Math.ceil(left / 60);
        const when = minutes > 1 ? `in ${minutes} minutes` : "within a minute";
        show(`Nobody has worked here for a while, so this machine stops ${when}. Files are kept.`, true);
      } catch {
        if (takenAt && Date.now() > takenAt - POLL) {
          return show("AWS has taken this machine back. What was saved is kept, and who runs the class can bring it back.", false);
        }
        // a server that falls silent when its time has come has stopped
        if (stopsAt && Date.now() > stopsAt - POLL) {
          show("This machine has stopped because nobody worked here. Files are kept; who runs the class can start it again.", false);
        }
      }
    };

    // whoever types or clicks is there, whether or not that asks anything of the server
    let told = 0;
    const present = () => {
      if (Date.now() - told < PRESENCE) return;
      told = Date.now();
      ask(url, "POST").catch(() => {});
    };
    for (const kind of ["keydown", "pointerdown", "wheel"]) {
      document.addEventListener(kind, present, { capture: true, passive: true });
    }
    present();
    look();
    setInterval(look, POLL);
  };

  const plugin = { id: "dstk-idle:notice", autoStart: true, activate };
  (window._JUPYTERLAB = window._JUPYTERLAB || {})["dstk-idle"] = {
    init: () => {},
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
