/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The status page: asks for status.json and history.json, and shows them. All text goes in as text, never as HTML. */
"use strict";

const PAUSE = 3000; // ms between two looks
const HISTORY_EACH = 3; // looks
const PATIENCE = 8000; // ms for an answer
const LEAST = 30; // samples that a graph has room for, so that a few are not a wall
const HEIGHT = 60;
const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);

/* --- elements */

function element(name, attributes, ...children) {
	const e = document.createElement(name);
	for (const [key, value] of Object.entries(attributes || {}))
		e.setAttribute(key, value);
	e.append(...children);
	return e;
}

function drawing(name, attributes) {
	const e = document.createElementNS(SVG, name);
	for (const [key, value] of Object.entries(attributes))
		e.setAttribute(key, value);
	return e;
}

/* What shows the same as before stays as it is: what a reader has selected, or scrolled to. */
const shown = new Map();

function changed(key, value) {
	const text = JSON.stringify(value);
	if (shown.get(key) === text)
		return false;
	shown.set(key, text);
	return true;
}

/* columns: titles; "#" before one of numbers, "*" before one of long text. */
function tableOf(caption, columns, rows) {
	const classes = columns.map((c) => ({ "#": "number", "*": "long" })[c[0]] || "text");
	const head = element("tr", {}, ...columns.map((c, i) =>
		element("th", { scope: "col", class: classes[i] }, c.replace(/^[#*]/, ""))));
	const body = rows.map((row) => element("tr", {}, ...row.map((cell, i) =>
		i ? element("td", { class: classes[i] }, cell) : element("th", { scope: "row" }, cell))));
	const table = element("table", {}, element("caption", {}, caption), element("thead", {}, head),
		element("tbody", {}, ...body));
	return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, table);
}

function showTable(id, caption, columns, rows, none) {
	if (!changed(id, [caption, rows]))
		return;
	const scrolled = $(id).querySelector(".scroll")?.scrollLeft || 0;
	$(id).replaceChildren(rows.length ? tableOf(caption, columns, rows) : element("p", { class: "none" }, none));
	if (scrolled && rows.length)
		$(id).querySelector(".scroll").scrollLeft = scrolled;
}

/* --- figures as text */

function scaled(value, step, units, space) {
	let i = 0;
	while (value >= step && i < units.length - 1) {
		value /= step;
		i++;
	}
	return (i && value < 10 ? value.toFixed(1) : Math.round(value)) + space + units[i];
}

const rate = (v) => v < 0 ? "-" : scaled(v, 1000, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"], " ");
const bytes = (v) => v === undefined ? "-" : scaled(v, 1024, ["B", "KiB", "MiB", "GiB", "TiB"], " ");
const trip = (us) => us === undefined || us < 0 ? "-" : scaled(us, 1000, ["µs", "ms", "s"], " ");
const percent = (of10000) => of10000 < 0 ? "-" : (of10000 / 100).toFixed(of10000 % 100 ? 2 : 0) + " %";

function age(s) {
	if (s === undefined)
		return "-";
	const parts = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
	const at = Math.max(parts.findIndex(([n]) => s >= n), 0);
	const first = s < 1 ? "0s" : Math.floor(s / parts[at][0]) + parts[at][1];
	const next = s < 1 ? undefined : parts[at + 1];
	const more = next ? Math.floor(s % parts[at][0] / next[0]) : 0;
	return more ? first + " " + more + next[1] : first;
}

const when = (s) => new Date(s * 1000).toLocaleString();
const clock = () => new Date().toLocaleTimeString();
const SIGNS = { up: "▲", primary: "▲", backup: "◆", down: "▼", silent: "▼", stopped: "▼", unknown: "?", passive: "●" };
const sign = (state) => (SIGNS[state] || "") + " " + state;

/* --- graphs */

const states = new Map(); // of paths now, by link

/* A unit wide for each sample; the newest is at the right. */
const canvas = (count, height, says, more) => drawing("svg", { viewBox: "0 0 " + Math.max(count, LEAST) + " " + height,
	preserveAspectRatio: "none", role: "img", "aria-label": says, ...more });

/* Points that are known, joined; -1 is none. */
function line(values, most) {
	let d = "", on = false;
	values.forEach((v, i) => {
		const x = Math.max(LEAST - values.length, 0) + i, y = HEIGHT - 1 - v / most * (HEIGHT - 4);
		if (v >= 0)
			d += (on ? "L" : "M") + x + " " + y.toFixed(1) + (on ? "" : "h0.5");
		on = v >= 0;
	});
	return d;
}

const last = (values) => values.length ? values[values.length - 1] : -1;
const most = (values) => values.reduce((a, b) => Math.max(a, b), -1);

/* lines: [name, values]; the second is dashed. */
function graph(title, lines, format, span) {
	const top = Math.max(...lines.map(([, values]) => most(values)));
	const says = title + ": " + lines.map(([name, values], i) => name + format(last(values)) +
		(lines.length > 1 ? [" (line)", " (dashed)"][i] : "")).join(", ") + "; most " + format(top);
	const svg = canvas(lines[0][1].length, HEIGHT, says + ", over " + span, {});
	lines.forEach(([, values], i) => svg.append(drawing("path", { d: line(values, Math.max(top, 1)),
		class: i ? "second" : "first" })));
	return element("figure", {}, element("figcaption", {}, says), svg);
}

/* A bar each: low while it is up, half while it is a backup, full while it is down. */
function strip(all, period, span) {
	const count = (state) => all.filter((s) => s === state).length;
	const lasted = (state) => state + " for " + age(count(state) * period);
	const says = "State: " + (count("down") ? lasted("down") : "never down") + (count("backup") ? ", " + lasted("backup") :
		"") + " (full bar: down, half: backup)";
	const svg = canvas(all.length, 12, says + ", over " + span, { class: "strip" });
	for (let i = 0, n; i < all.length; i += n) {
		const height = { up: 2, backup: 6, down: 12 }[all[i]] || 0;
		for (n = 1; all[i + n] === all[i];)
			n++;
		svg.append(drawing("rect", { x: Math.max(LEAST - all.length, 0) + i, y: 12 - height, width: n, height,
			class: all[i] }));
	}
	return element("figure", {}, element("figcaption", {}, says), svg);
}

/* The same as a table: five minutes a row. */
function hour(path, period) {
	const rows = [], each = 300 / period;
	for (let end = path.state.length; end > 0; end -= each) {
		const part = (values) => values.slice(Math.max(end - each, 0), end);
		const mean = (values) => {
			const known = part(values).filter((v) => v >= 0);
			return known.length ? known.reduce((a, b) => a + b, 0) / known.length : -1;
		};
		const worst = ["down", "backup", "unknown", "up"].find((s) => part(path.state).includes(s)) || "none";
		rows.push([age((path.state.length - end) * period + 300) + " ago", rate(mean(path.up)), rate(mean(path.down)),
			trip(mean(path.rtt_us)), percent(Math.round(mean(path.loss))), worst]);
	}
	return element("details", {}, element("summary", {}, "The same as a table"),
		tableOf("From then on for 5 minutes: means, and the worst state", ["Since", "#Up", "#Down", "#Round trip",
			"#Lost", "State"], rows));
}

function showGraphs(history) {
	if (!changed("graphs", history.paths))
		return;
	const open = [...$("graphs").querySelectorAll("details")].map((d) => d.open);
	$("graphs").replaceChildren(...history.paths.map((p) => {
		const span = "the last " + age(p.state.length * history.period_s);
		return element("article", {}, element("h3", {}, p.name + " (" + p.link + ") ",
			element("span", { "data-link": p.link }, states.get(p.link) || "")),
		graph("Rate", [["down ", p.down], ["up ", p.up]], rate, span),
		graph("Round trip", [["", p.rtt_us]], trip, span),
		graph("Lost on the way out", [["", p.loss]], percent, span),
		strip(p.state, history.period_s, span), element("p", { class: "none" }, "Graphs: " + span + ", now at the right."),
		hour(p, history.period_s));
	}));
	[...$("graphs").querySelectorAll("details")].forEach((d, i) => d.open = open[i] || false);
}

/* --- the rest */

function showFindings(doctor) {
	if (!changed("doctor", doctor))
		return;
	$("doctor").replaceChildren(...doctor.findings.map((f) => element("li", { class: f.severity },
		element("strong", {}, f.severity + ": " + (f.subject || "")), element("p", {}, f.text || ""),
		element("p", {}, "Do: " + (f.remedy || "nothing")))));
	if (!doctor.wrong)
		$("doctor").prepend(element("li", {}, "Nothing is wrong."));
}

function pathState(p) {
	const health = [p.health4, p.health6];
	if (!p.up || (health.includes("down") && !health.includes("up")))
		return "down";
	return p.rank === "backup" ? "backup" : health.includes("up") || !p.why ? "up" : "unknown";
}

/* Bits a second since the look before, of a counter of that name. */
const counters = new Map();

function speed(name, value, now) {
	const before = counters.get(name);
	counters.set(name, [value, now]);
	return !before || value === undefined || value < before[0] || now <= before[1] ? -1 :
		(value - before[0]) * 8000 / (now - before[1]);
}

function showPaths(answer, now) {
	const used = new Map(answer.usage.filter((u) => u.by === "path").map((u) => [u.name, u]));
	for (const p of answer.paths)
		states.set(p.link, sign(pathState(p)));
	for (const badge of $("graphs").querySelectorAll("[data-link]"))
		badge.textContent = states.get(badge.dataset.link) || "";
	showTable("paths", "Now; rates of the link are of all its traffic", ["Path", "State", "*Why", "#Up", "#Down",
		"#Round trip", "#Subflows", "Addresses", "#Up today", "#Down today", "#Of quota"], answer.paths.map((p) => {
		const u = used.get(p.name) || {};
		return [p.name + " (" + p.link + ")", states.get(p.link), p.why || p.rank_why || "",
			rate(speed("tx " + p.link, p.tx_bytes, now)), rate(speed("rx " + p.link, p.rx_bytes, now)),
			trip(p.rtt_us), String(p.subflows ?? "-"), [p.address4, p.address6].filter(Boolean).join(", "), bytes(u.up),
			bytes(u.down), u.quota ? bytes(u.quota_used) + " / " + bytes(u.quota) : "-"];
	}), "No link is a path.");
}

function showPeers(answer) {
	const gateways = new Map(answer.gateways.map((g) => [g.name, g]));
	showTable("peers", "Gateways and hubs", ["Peer", "State", "Over", "#Connections", "Seen", "Addresses", "*Last error"],
		answer.peers.map((p) => {
			const g = gateways.get(p.name) || {};
			return [p.name, sign(p.state), p.transport || "-", String(p.connections),
				g.seen_s === undefined ? "-" : age(g.seen_s) + " ago", p.addresses.join(", ") || g.address || "-",
				p.last_error ? p.last_error + (p.last_error_age_s === undefined ? "" : ", " + age(p.last_error_age_s) +
					" ago") : g.refused || ""];
		}), "No peer is configured.");
	showTable("ways", "Ways to them, as probes find them", ["Peer", "Address", "Path", "State", "Over", "#Round trip",
		"Used first", "*Last error"], answer.ways.map((w) => [w.peer, w.address + " port " + w.port,
		w.path || "default route", sign(w.state), w.transport, trip(w.rtt_us), w.first ? "yes" : "no",
		w.last_error || ""]), "No peer is dialed from here.");
}

function showRules(rules, usage) {
	const used = new Map(usage.filter((u) => u.by === "rule").map((u) => [u.name, u]));
	showTable("rules", "In order; the first that matches decides", ["Rule", "Action", "By way of", "#Hits", "#Up today",
		"#Down today"], rules.map((r) => {
		const u = used.get(r.name) || {};
		return [r.name, r.action, r.via || "-", String(r.hits), bytes(u.up), bytes(u.down)];
	}), "There are no rules.");
}

function showFlows(answer, now) {
	const seen = [];
	const rows = answer.flows.map((f) => {
		const name = ["flow", f.worker, f.client, f.server].join(" ");
		seen.push(name);
		return [f.client, f.server, f.peer || "-", f.rule || "-", f.paths.join(", ") || "-", age(f.age_s),
			rate(speed(name, f.bytes_up + f.bytes_down, now)), bytes(f.bytes_up), bytes(f.bytes_down), f.state];
	});
	for (const name of counters.keys())
		if (name.startsWith("flow ") && !seen.includes(name))
			counters.delete(name);
	showTable("flows", answer.truncated ? "Those that have carried most; there are more" : "Relayed connections, the largest first",
		["Client", "Server", "Peer", "Rule", "Paths", "#Age", "#Now", "#Up", "#Down", "State"], rows,
		"No connection is relayed.");
}

function showFailures(history) {
	showTable("failures", "The last " + history.failures.length + ", the newest first", ["Since", "What", "State", "#For", "Then",
		"*Why"],
		history.failures.map((f) => [when(f.began), f.about + " " + f.name + (f.link ? " (" + f.link + ")" : ""),
			sign(f.state), age(f.seconds) + (f.lasts ? ", and still" : ""), f.to ? "over to " + f.to : "-", f.why || ""]),
		"Nothing has failed since the daemon started.");
}

function show(status) {
	const s = status.status, now = performance.now();
	if (changed("title", s.instance)) {
		$("instance").textContent = s.instance;
		document.title = s.instance + " - mpgate";
	}
	$("about").textContent = "Version " + s.version + ", up for " + age(s.uptime_s) + ", policy " + s.policy.generation +
		", " + s.workers.reduce((n, w) => n + w.connections, 0) + " connections. Looked at " + clock() + ".";
	showFindings(status.doctor);
	showPaths(status.paths, now);
	showPeers(status.peers);
	showRules(status.rules, status.paths.usage);
	showFlows(status.flows, now);
}

/* --- looks */

async function get(name) {
	/* Without a name and password that the address may have. */
	const url = new URL(name, location.origin + location.pathname);
	const answer = await fetch(url, { signal: AbortSignal.timeout(PATIENCE) });
	if (!answer.ok)
		throw new Error((await answer.text()).trim() || answer.statusText);
	return answer.json();
}

let looks = 0, lost = false;

/* A reader is told when that changes, and not at each look. */
function live(error) {
	const text = error ? "The daemon does not answer since " + clock() + ": " + error + ". What is shown is of before." :
		"Live: anew every " + PAUSE / 1000 + " seconds.";
	if (looks && lost === Boolean(error))
		return;
	lost = Boolean(error);
	$("live").textContent = text;
	$("live").classList.toggle("lost", lost);
}

async function look() {
	try {
		if (!document.hidden || !looks) {
			show(await get("status.json"));
			if (looks % HISTORY_EACH === 0 || lost) {
				const history = await get("history.json");
				showGraphs(history);
				showFailures(history);
			}
			live(null);
			looks++;
		}
	} catch (error) {
		live(error.message);
		looks = Math.max(looks, 1);
	}
	setTimeout(look, PAUSE);
}

look();
