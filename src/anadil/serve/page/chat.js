// The chat page: one conversation, kept for as long as the tab lives. Model output is only ever set as text.

const $ = (id) => document.getElementById(id);
const log = $("log"), scroller = $("scroller"), question = $("question");
const STORE = `anadil-chat ${location.pathname}`;
const RETRY_TEMPERATURE = 0.8; // at the service's own, often 0, a retry would repeat the answer

let words = {};
let model = "";
let messages = []; // {role, content}, as the API takes them
let running = null; // AbortController of the answer in progress
let pinned = true; // whether the reader is at the end, and wants to stay there

// --- words and turns

function translate(root) {
  for (const node of root.querySelectorAll("[data-text]")) node.textContent = words[node.dataset.text];
  for (const node of root.querySelectorAll("[data-placeholder]")) node.placeholder = words[node.dataset.placeholder];
  for (const node of root.querySelectorAll("[data-label]")) label(node, words[node.dataset.label]);
}

function label(button, text) {
  button.setAttribute("aria-label", text);
  button.title = text;
}

function addTurn(role, text) {
  const turn = $("turn").content.firstElementChild.cloneNode(true);
  translate(turn);
  turn.classList.add(role);
  turn.querySelector(".who").textContent = `${role === "user" ? words.you : words.assistant}: `;
  turn.querySelector(".text").textContent = text;
  turn.querySelector(".copy").addEventListener("click", (event) => copy(event.currentTarget, turn));
  turn.querySelector(".retry").addEventListener("click", () => retry(turn));
  log.append(turn);
  $("welcome").hidden = true;
  return turn;
}

function toEnd() {
  if (pinned) scroller.scrollTop = scroller.scrollHeight;
}

// --- the conversation

function ask(text) {
  if (messages.at(-1)?.role === "user") messages.pop(); // the last one failed; what is asked now takes its place
  messages.push({ role: "user", content: text });
  addTurn("user", text);
  pinned = true;
  answer({});
}

async function answer(options) {
  const turn = addTurn("assistant", "");
  const text = turn.querySelector(".text");
  const mine = new AbortController();
  turn.classList.add("running");
  setRunning(mine);
  save();
  toEnd();
  try {
    for await (const piece of completion(options, mine.signal)) {
      text.append(piece); // a string: it becomes a text node
      toEnd();
    }
    if (!text.textContent.trim()) throw new Error("an empty answer");
  } catch (error) {
    if (error.name !== "AbortError") fail(turn, error);
  }
  if (running !== mine) return; // a new chat was begun meanwhile
  turn.classList.remove("running");
  text.normalize();
  setRunning(null);
  if (!turn.classList.contains("failed")) keep(turn, text.textContent);
  save();
  toEnd();
}

function keep(turn, text) {
  if (text) {
    messages.push({ role: "assistant", content: text });
    return;
  }
  turn.previousElementSibling.remove(); // stopped before the first word: back to the question
  turn.remove();
  question.value ||= messages.pop().content;
  $("welcome").hidden = log.childElementCount > 0;
  grow();
}

function fail(turn, error) {
  console.error(error);
  turn.classList.add("failed");
  turn.querySelector(".text").textContent = words.error;
}

function retry(turn) {
  if (running) return;
  const failed = turn.classList.contains("failed");
  if (!failed) messages.pop();
  turn.remove();
  pinned = true;
  question.focus({ preventScroll: true });
  answer(failed ? {} : { temperature: RETRY_TEMPERATURE, seed: Math.floor(Math.random() * 2 ** 31) });
}

function setRunning(controller) {
  running = controller;
  log.setAttribute("aria-busy", String(Boolean(running))); // read out when whole, not word by word
  $("status").textContent = running ? words.thinking : "";
  const leaving = document.activeElement === $("stop") || document.activeElement === $("send");
  $("send").hidden = Boolean(running);
  $("stop").hidden = !running;
  if (leaving) question.focus();
}

// --- the service

async function* completion(options, signal) {
  let sent = messages;
  let response = await post(sent, options, signal);
  while (!response.ok) {
    const { error } = await response.json();
    if (error.code !== "context_length_exceeded" || sent.length < 3) throw new Error(error.message);
    sent = sent.slice(2); // forget the oldest question and answer
    response = await post(sent, options, signal);
  }
  for await (const event of events(response.body)) {
    if (event.error) throw new Error(event.error.message);
    const piece = event.choices[0]?.delta.content;
    if (piece) yield piece;
  }
}

function post(sent, options, signal) {
  const body = JSON.stringify({ model, messages: sent, stream: true, ...options });
  return fetch("v1/chat/completions", { method: "POST", headers: { "Content-Type": "application/json" }, body, signal });
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("the answer broke off");
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.replace(/^data: /, "");
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
  }
}

// --- this tab's memory; a browser may refuse it, then a reload starts anew

function save() {
  try {
    sessionStorage.setItem(STORE, JSON.stringify(messages));
  } catch (error) {
    console.warn(error);
  }
}

function restore() {
  try {
    messages = JSON.parse(sessionStorage.getItem(STORE)) ?? [];
  } catch (error) {
    console.warn(error);
  }
  if (messages.at(-1)?.role === "user") question.value = messages.pop().content; // left before it was answered
  for (const { role, content } of messages) addTurn(role, content);
}

// --- buttons and keys

async function copy(button, turn) {
  await toClipboard(turn.querySelector(".text"));
  const use = button.querySelector("use");
  use.setAttribute("href", "#i-done");
  label(button, words.copied);
  $("status").textContent = words.copied;
  setTimeout(() => {
    use.setAttribute("href", "#i-copy");
    label(button, words.copy);
    if (!running) $("status").textContent = "";
  }, 1500);
}

async function toClipboard(node) {
  if (navigator.clipboard) return navigator.clipboard.writeText(node.textContent);
  const range = document.createRange(); // plain http on a network: only the old way works
  range.selectNodeContents(node);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
  document.execCommand("copy");
  selection.removeAllRanges();
}

function grow() {
  question.style.height = "auto";
  question.style.height = `${question.scrollHeight}px`;
  $("send").disabled = !question.value.trim();
}

function submit(event) {
  event.preventDefault();
  const text = question.value.trim();
  if (!text || running) return;
  question.value = "";
  grow();
  ask(text);
}

function startOver() {
  running?.abort();
  setRunning(null);
  messages = [];
  save();
  log.replaceChildren();
  $("welcome").hidden = false;
  question.value = "";
  grow();
  question.focus();
}

function onKey(event) {
  const onPhone = matchMedia("(pointer: coarse)").matches; // there Enter is the only way to a new line
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || onPhone) return;
  submit(event);
}

async function start() {
  const page = await (await fetch("page.json")).json();
  ({ strings: words, model } = page);
  document.documentElement.lang = page.language;
  document.title = words.title;
  translate(document);
  restore();
  $("composer").addEventListener("submit", submit);
  question.addEventListener("input", grow);
  question.addEventListener("keydown", onKey);
  $("stop").addEventListener("click", () => running?.abort());
  $("new").addEventListener("click", startOver);
  addEventListener("keydown", (event) => event.key === "Escape" && running?.abort());
  scroller.addEventListener("scroll", () => {
    pinned = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 48;
  });
  new ResizeObserver(toEnd).observe(scroller); // the composer grows, a phone's keyboard opens
  document.body.classList.add("ready");
  grow();
  toEnd();
  if (matchMedia("(pointer: fine)").matches) question.focus();
}

start();
