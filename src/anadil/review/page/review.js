// The review page: one pair after the other, each vote kept by the service before the next pair comes.
// What models said is only ever set as text.

const $ = (id) => document.getElementById(id);
const SIDES = { left: "A", right: "B" };
const REASONS = ["language_errors", "wrong_content", "no_answer", "rude"];
const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "both_good", ArrowDown: "both_bad" };
const STORE = `anadil-review ${location.pathname}`;
const LONG_QUESTION = 160; // characters; a longer one is not set like a headline
const PATIENCE_MS = 20_000;

let words = {};
let language = "";
let reviewer = "";
let pairs = []; // {id, question, left, right, vote}
let at = 0; // index of the pair that is shown; pairs.length: the end
let sending = false;

// --- words

function say(key, facts = {}) {
  return words[key].replace(/\{(\w+)\}/g, (whole, name) => facts[name] ?? whole);
}

function translate() {
  words.left_better = say("review_better", { side: SIDES.left });
  words.right_better = say("review_better", { side: SIDES.right });
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = words[node.dataset.text];
  for (const node of document.querySelectorAll("[data-title]")) node.title = words[node.dataset.title];
  for (const node of document.querySelectorAll("[data-placeholder]")) node.placeholder = words[node.dataset.placeholder];
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", words[node.dataset.label]);
    if (node.localName === "button") node.title = words[node.dataset.label];
  }
  for (const [side, letter] of Object.entries(SIDES)) {
    $(`${side}-name`).textContent = say("review_answer", { side: letter });
    document.querySelector(`[data-choice=${side}] span`).textContent = words[`${side}_better`];
  }
  REASONS.forEach((reason, index) => $("reasons").append(chip(reason, index + 1)));
}

function chip(reason, number) {
  const label = document.createElement("label");
  const box = document.createElement("input");
  const hint = document.createElement("kbd");
  Object.assign(box, { type: "checkbox", value: reason });
  box.setAttribute("aria-keyshortcuts", String(number));
  hint.textContent = String(number);
  hint.setAttribute("aria-hidden", "true");
  label.append(box, hint, say(`review_reason_${reason}`));
  return label;
}

// --- what is shown

function show(view) {
  for (const id of ["start", "pair", "done"]) $(id).hidden = id !== view;
  $("choose").hidden = view !== "pair";
  for (const id of ["count", "bar", "rename"]) $(id).hidden = view === "start";
  $("broken").hidden = true;
  $("failed").textContent = "";
  scrollTo(0, 0);
}

function showPair() {
  if (at >= pairs.length) return showEnd();
  const pair = pairs[at];
  $("number").textContent = say("review_question", { number: at + 1 });
  fill($("question"), pair.question);
  $("question").classList.toggle("long", pair.question.length > LONG_QUESTION);
  for (const side of Object.keys(SIDES)) {
    fill($(side).querySelector(".text"), pair[side]);
    $(side).classList.toggle("chosen", pair.vote?.choice === side);
  }
  for (const button of choices()) button.setAttribute("aria-pressed", String(pair.vote?.choice === button.dataset.choice));
  const { reasons, comment } = pair.vote ?? pair.draft ?? { reasons: [], comment: "" };
  for (const box of boxes()) box.checked = reasons.includes(box.value);
  $("comment").value = comment;
  $("back").hidden = at === 0;
  $("next").hidden = !pair.vote;
  show("pair");
  grow();
  showCount();
  $("number").focus({ preventScroll: true });
}

function fill(node, text) {
  const empty = !text.trim();
  node.textContent = empty ? words.review_empty : text.trim();
  node.classList.toggle("empty", empty);
  node.lang = empty ? document.documentElement.lang : language;
}

function showEnd() {
  at = pairs.length;
  show("done");
  showCount();
  $("thanks").focus({ preventScroll: true });
}

function showCount() {
  const done = pairs.filter((pair) => pair.vote).length;
  $("count").textContent = `${done} / ${pairs.length}`;
  $("bar").max = pairs.length;
  $("bar").value = done;
  $("who").textContent = reviewer;
  $("status").textContent = say("review_progress", { done, total: pairs.length });
}

function showStart() {
  $("name").value = reviewer;
  $("name-wrong").textContent = "";
  $("status").textContent = "";
  show("start");
  $("name").focus();
}

function broken() {
  show("none");
  $("broken").textContent = words.review_not_loaded;
  $("broken").hidden = false;
}

// --- going through the pairs

const choices = () => [...document.querySelectorAll("[data-choice]")];
const boxes = () => [...document.querySelectorAll("#reasons input")];

async function vote(choice) {
  if (sending || $("pair").hidden || !(await send(choice))) return;
  at = nextOpen();
  showPair();
}

async function send(choice) {
  const pair = pairs[at];
  const given = { choice, ...written() };
  setSending(true);
  try {
    await post("votes", { reviewer, pair: pair.id, ...given });
    pair.vote = given;
    return true;
  } catch (error) {
    console.error(error);
    $("failed").textContent = words.review_not_saved;
    return false;
  } finally {
    setSending(false);
  }
}

async function go(step) {
  const onPair = !$("pair").hidden;
  if (sending || (!onPair && $("done").hidden)) return;
  if (at + step < 0 || (step > 0 && !pairs[at]?.vote)) return;
  if (onPair && !(await keepWritten())) return;
  at += step;
  showPair();
}

function written() {
  const reasons = boxes().filter((box) => box.checked).map((box) => box.value);
  return { reasons, comment: $("comment").value.trim() };
}

// what was written on a pair is not lost by leaving it without a choice
async function keepWritten() {
  const pair = pairs[at];
  const now = written();
  pair.draft = now;
  if (!pair.vote) return true;
  const before = pair.vote;
  const same = now.comment === before.comment && String(now.reasons) === String(REASONS.filter((one) => before.reasons.includes(one)));
  return same || send(before.choice);
}

function nextOpen() {
  const later = pairs.findIndex((pair, index) => index > at && !pair.vote);
  const open = later < 0 ? pairs.findIndex((pair) => !pair.vote) : later;
  return open < 0 ? pairs.length : open;
}

function setSending(now) {
  sending = now;
  $("choose").setAttribute("aria-busy", String(now));
  if (now) $("failed").textContent = "";
  for (const button of choices()) button.setAttribute("aria-disabled", String(now)); // not `disabled`: that loses the focus
}

// --- the service

async function post(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    keepalive: true, // a vote arrives even where the page is closed at once
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
  return answer;
}

async function begin(name) {
  const answer = await post("pairs", { reviewer: name });
  ({ reviewer, pairs } = answer);
  remember(reviewer);
  at = -1;
  at = nextOpen();
  showPair();
}

// --- the name, kept by this browser; it may refuse, then it is asked for again

function remember(name) {
  try {
    localStorage.setItem(STORE, name);
  } catch (error) {
    console.warn(error);
  }
}

function remembered() {
  try {
    return localStorage.getItem(STORE) ?? "";
  } catch (error) {
    console.warn(error);
    return "";
  }
}

// --- keys and buttons

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || $("keys").open) return;
  const { target, key } = event;
  if (key === "Escape" && target === $("comment")) return $("number").focus();
  if (target.matches("textarea, input:not([type=checkbox])")) return;
  if (key === "?") $("keys").showModal();
  else if (key === "Backspace") go(-1);
  else if (key === "Enter" && !target.closest("button, input")) go(1);
  else if (!$("pair").hidden && KEYS[key]) event.repeat || vote(KEYS[key]);
  else if (!$("pair").hidden && boxes()[key - 1]) boxes()[key - 1].click();
  else return;
  event.preventDefault();
}

function grow() {
  const box = $("comment");
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight + 2}px`;
}

async function onName(event) {
  event.preventDefault();
  $("name-wrong").textContent = "";
  try {
    await begin($("name").value);
  } catch (error) {
    console.error(error);
    $("name-wrong").textContent = words[error.code === "name" ? "review_name_wrong" : "review_not_loaded"];
  }
}

async function start() {
  const page = await (await fetch("page.json")).json();
  ({ words, language } = page);
  document.documentElement.lang = page.words_language;
  document.title = words.review_title;
  translate();
  $("start").addEventListener("submit", onName);
  $("rename").addEventListener("click", () => sending || showStart());
  $("help").addEventListener("click", () => $("keys").showModal());
  $("back").addEventListener("click", () => go(-1));
  $("reopen").addEventListener("click", () => go(-1));
  $("next").addEventListener("click", () => go(1));
  $("comment").addEventListener("input", grow);
  $("why").addEventListener("submit", (event) => event.preventDefault());
  for (const button of choices()) button.addEventListener("click", () => vote(button.dataset.choice));
  addEventListener("keydown", onKey);
  const name = remembered();
  document.body.classList.add("ready");
  if (!name) return showStart();
  reviewer = name;
  await begin(name).catch((error) => (error.code === "name" ? showStart() : (console.error(error), broken())));
}

start();
