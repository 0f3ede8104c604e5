// The page: sends messages, shows replies as they are written, keeps to what the server stored.

import { $, h } from "./dom.js";
import { Reply, userRow } from "./reply.js";
import { follow, toEnd } from "./scroll.js";
import { Lost, Refusal, getJson, messageId, post, postStream } from "./stream.js";
import { Tuning } from "./tuning.js";
import { WhyPanel } from "./why.js";

const RECONNECT_MS = [1000, 2000, 4000, 8000];
const ELSEWHERE_MS = 1500;
const STOPPING_MS = 1000;
const LOOK_MS = 20_000;

const tuning = new Tuning();
const why = new WhyPanel();
let persona = { name: "", greeting: "", disclosure: "", suggestions: [] };
let running = null; // AbortController of the stream in progress
let lastReply = null; // the last finished Reply
let online = true;

// --- asking -------------------------------------------------------------------------------------

/** Say something to screen readers. */
function speak(text) {
  $("spoken").textContent = text;
}

function busy(controller) {
  running = controller;
  $("send").hidden = Boolean(controller);
  $("stop").hidden = !controller;
  document.body.classList.toggle("busy", Boolean(controller));
}

function newReply() {
  return new Reply(persona.name, { explain: (result, button) => why.open(result, button), retry, rate });
}

/** Count a thumb for a reply; null takes it back. */
async function rate(result, thumb) {
  try {
    await post("/api/rate", { reply: result.reply_id, thumb });
    speak(thumb ? `Rated ${thumb}.` : "Rating taken back.");
  } catch (error) {
    speak(sentence(error));
    throw error;
  }
}

/** The newest reply: the one that can be asked for again, and that the panel explains. */
function finish(reply, result) {
  reply.finish(result);
  lastReply?.node.classList.remove("last");
  lastReply = reply;
  reply.node.classList.add("last");
  why.latest(result);
}

/** Run one stream into `reply`; returns "done", "notice", "stopped" or "lost". */
async function pour(path, body, reply, again) {
  const controller = new AbortController();
  busy(controller);
  try {
    for await (const { event, data } of postStream(path, body, controller.signal)) {
      if (event === "delta") reply.add(data.text);
      else if (event === "result") {
        finish(reply, data);
        speak(`${persona.name}: ${data.reply}`);
      } else if (event === "notice") {
        reply.fail(data.text, again);
        speak(data.text);
        return "notice";
      }
    }
    if (reply.result) return "done";
    reply.fail("The connection was lost before the reply was complete.", again);
    return "lost";
  } catch (error) {
    if (reply.result) return "done";
    if (error.name === "AbortError") {
      reply.fail("Stopped.", again);
      return "stopped";
    }
    if (error instanceof Lost) offline();
    reply.fail(sentence(error), again);
    return "lost";
  } finally {
    if (running === controller) busy(null);
    // A server that is stopping still answers for a moment.
    setTimeout(refresh, reply.result ? 0 : STOPPING_MS);
  }
}

/** What the reader is told of an error. */
function sentence(error) {
  if (error instanceof Refusal || error instanceof Lost) return error.message;
  if (error.name === "AbortError") return "Stopped.";
  console.error(error);
  return "Something went wrong on this page. Reloading it may help.";
}

async function ask(text) {
  $("hello").hidden = true;
  lastReply?.node.classList.remove("last");
  const question = userRow(text);
  const reply = newReply();
  $("log").append(question, reply.node);
  toEnd();
  const again = () => {
    if (running) return;
    question.remove();
    reply.node.remove();
    ask(text);
  };
  await pour("/api/chat", { text, message_id: messageId(), ...tuning.options() }, reply, again);
}

async function retry() {
  if (running || !lastReply) return;
  const old = lastReply;
  const reply = newReply();
  old.node.hidden = true;
  old.node.after(reply.node);
  toEnd();
  const again = () => {
    if (running) return;
    reply.node.remove();
    retry();
  };
  const end = await pour("/api/command", { name: "retry", args: "", ...tuning.options() }, reply, again);
  if (end === "done") old.node.remove();
  else old.node.hidden = false; // the stored reply is still the old one
}

/** A command that answers with a notice. */
async function command(name, args, shown) {
  $("hello").hidden = true;
  const note = h("div.turn.service", { role: "status" }, "…");
  $("log").append(...(shown ? [userRow(shown)] : []), note);
  toEnd();
  const controller = new AbortController();
  busy(controller);
  try {
    for await (const { event, data } of postStream("/api/command", { name, args, ...tuning.options() }, controller.signal)) {
      if (event === "notice") follow(() => (note.textContent = data.text));
    }
    speak(note.textContent);
    return true;
  } catch (error) {
    if (error instanceof Lost) offline();
    follow(() => (note.textContent = sentence(error)));
    return false;
  } finally {
    busy(null);
    refresh();
  }
}

async function startAnew(name) {
  running?.abort();
  if (name === "new" && !$("log").childElementCount) return $("text").focus();
  if (!(await command(name, "", name === "new" ? "" : `/${name}`))) return;
  const said = name === "new" ? null : $("log").lastElementChild;
  clear();
  if (said) $("log").append(said);
  $("hello").hidden = false;
  $("text").focus();
}

function clear() {
  $("log").replaceChildren();
  lastReply = null;
  why.latest(null);
  $("latest").hidden = true;
}

/** What the reader typed: a command, or a message. */
function submit(text) {
  const typed = text.trim();
  if (!typed || running || !online) return;
  $("text").value = "";
  fit();
  const slash = typed.match(/^\/([A-Za-z][\w-]{0,31})(?:\s+([\s\S]*))?$/);
  if (!slash) ask(text);
  else if (slash[1] === "retry" && lastReply) retry();
  else if (slash[1] === "why") why.open(null, $("text"));
  else if (slash[1] === "new" || slash[1] === "reset") startAnew(slash[1]);
  else command(slash[1], slash[2] ?? "", typed);
}

// --- the composer -------------------------------------------------------------------------------

const text = $("text");

function fit() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
  $("send").disabled = !text.value.trim() || !online;
}

text.addEventListener("input", fit);
text.addEventListener("keydown", (event) => {
  // Enter that ends an input method's composition is no Enter.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    submit(text.value);
  }
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  submit(text.value);
});
$("stop").addEventListener("click", () => {
  running?.abort();
  text.focus();
});
$("new").addEventListener("click", () => startAnew("new"));

// --- the server's state -------------------------------------------------------------------------

let waiting = 0; // attempts to reconnect so far
let timer = 0;

function offline() {
  online = false;
  $("offline").hidden = false;
  fit();
  clearTimeout(timer);
  timer = setTimeout(refresh, RECONNECT_MS[Math.min(waiting++, RECONNECT_MS.length - 1)]);
}

async function refresh() {
  try {
    const state = await getJson("/api/state");
    persona = state.persona;
    tuning.load(state.adapters);
    online = true;
    waiting = 0;
    $("offline").hidden = true;
    fit();
    return true;
  } catch (error) {
    if (error instanceof Lost) offline();
    return false;
  }
}

/** See now and then whether the server is there, and what it has loaded. */
function look() {
  if (document.visibilityState === "visible" && online && !running) refresh();
}

function introduce() {
  document.title = persona.name;
  $("name").textContent = persona.name;
  $("disclosure").textContent = persona.disclosure;
  $("disclosure").title = persona.disclosure;
  $("mark").textContent = persona.name.split(/\s+/).map((word) => word[0]).join("").slice(0, 2).toUpperCase();
  $("greeting").textContent = persona.greeting || `Write to ${persona.name}.`;
  text.placeholder = `Write to ${persona.name}`;
  $("suggestions").replaceChildren(
    ...persona.suggestions.slice(0, 3).map((question) =>
      h("button.chip", { type: "button", onclick: () => submit(question) }, question)),
  );
}

/** Show what the server has stored, and the message that it has not answered. */
async function restore() {
  const [history, explained] = await Promise.all([getJson("/api/history"), getJson("/api/why")]);
  clear();
  let reply = null;
  for (const turn of history.turns) {
    if (turn.role === "user") {
      $("log").append(userRow(turn.text));
      continue;
    }
    reply = newReply();
    reply.settle(turn.text);
    $("log").append(reply.node);
  }
  if (reply && explained.result?.reply === reply.text) finish(reply, explained.result);
  if (history.open) showOpen(history.open);
  $("hello").hidden = $("log").childElementCount > 0;
  toEnd();
}

function showOpen(open) {
  const question = userRow(open.text);
  const reply = newReply();
  $("log").append(question, reply.node);
  if (open.running) {
    // Another window asked, or this one did before it was reloaded.
    setTimeout(() => !running && restore().catch(explainRestore), ELSEWHERE_MS);
    return;
  }
  reply.fail("This message was not answered.", () => {
    if (running) return;
    question.remove();
    reply.node.remove();
    ask(open.text);
  });
}

function explainRestore(error) {
  if (error instanceof Lost) offline();
  $("log").append(h("div.turn.service", { role: "status" }, `The earlier conversation cannot be shown. ${sentence(error)}`));
}

async function begin() {
  if (!(await refresh())) {
    setTimeout(begin, 1500);
    return;
  }
  introduce();
  await restore().catch(explainRestore);
  setInterval(look, LOOK_MS);
  document.body.classList.add("ready");
  if (matchMedia("(hover: hover)").matches) text.focus();
}

window.addEventListener("online", refresh);
window.addEventListener("offline", offline);
document.addEventListener("visibilitychange", look);
begin();
