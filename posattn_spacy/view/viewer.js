// Shows sentences: predicted entities above the words, gold entities below, the gate as a strip. Choosing a
// word, by click or key, shows where it looks.

const LABEL_HUES = 8;

function showSentences(root, sentences) {
  const labels = [...new Set(sentences.flatMap((s) => [...s.entities, ...(s.gold || [])]).map((e) => e.label))].sort();
  const list = element("ol", "posattn-sentences");
  const status = element("p", "posattn-status");
  status.setAttribute("role", "status");
  const filter = sentences.length > 1 ? filterOf(sentences, labels, show) : null;
  if (filter) root.append(filter.form, status);
  root.append(legendOf(sentences), list);
  show(() => true);

  function show(wanted) {
    const shown = sentences.filter(wanted);
    list.replaceChildren(...shown.map((sentence) => sentenceOf(sentence, labels)));
    status.textContent = `${shown.length} of ${sentences.length} sentences`;
  }
}

function filterOf(sentences, labels, show) {
  const form = element("form", "posattn-filter");
  const errors = element("input");
  errors.type = "checkbox";
  const label = element("select");
  label.append(...["all labels", ...labels].map((text) => element("option", "", text)));
  const sure = element("input");
  Object.assign(sure, { type: "range", min: 0, max: 100, value: 100 });
  const shownSure = element("output", "", "1.00");
  form.append(
    labelled("errors only", errors),
    labelled("label", label),
    labelled("an entity at most so sure", sure, shownSure),
  );
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    const most = sure.value / 100;
    shownSure.textContent = most.toFixed(2);
    show(
      (s) =>
        (!errors.checked || hasError(s)) &&
        (label.selectedIndex === 0 || [...s.entities, ...(s.gold || [])].some((e) => e.label === label.value)) &&
        (most === 1 || s.entities.some((e) => e.score !== null && e.score <= most)),
    );
  });
  return { form };
}

function hasError(sentence) {
  if (!sentence.gold) return false;
  const keys = (spans) => spans.map((e) => `${e.start} ${e.stop} ${e.label}`).sort().join();
  return keys(sentence.entities) !== keys(sentence.gold);
}

function legendOf(sentences) {
  const parts = ["above the words: predicted, with how sure it is"];
  if (sentences.some((s) => s.gold)) parts.push("below: gold");
  if (sentences.some((s) => s.twice)) parts.push("dotted line: the first look was sure, the encoder did not run");
  if (sentences.some((s) => s.gate)) parts.push("strip: the gate");
  if (sentences.some((s) => s.attention)) parts.push("choose a word to see where it looks");
  return element("p", "posattn-legend", parts.join(" · "));
}

function sentenceOf(sentence, labels) {
  const item = element("li", hasError(sentence) ? "posattn-sentence posattn-error" : "posattn-sentence");
  const words = sentence.tokens.map((token, i) => wordOf(sentence, labels, token, i));
  item.append(...words.map((word) => word.box));
  if (!sentence.attention) return item;
  let chosen = null;
  words.forEach((word, i) =>
    word.button.addEventListener("click", () => {
      chosen = chosen === i ? null : i;
      words.forEach((other, j) => {
        other.button.setAttribute("aria-pressed", String(j === chosen));
        const look = chosen === null ? null : sentence.attention[chosen];
        const percent = look && (look.percents[j - look.first] || 0);
        other.box.style.setProperty("--look", percent === null ? 0 : percent / 100);
        other.look.textContent = percent ? `${percent} %` : "";
      });
    }),
  );
  return item;
}

function wordOf(sentence, labels, token, i) {
  const box = element("span", "posattn-word");
  const button = element(sentence.attention ? "button" : "span", "posattn-token", token.trim() || "␣");
  if (sentence.attention) {
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
  }
  if (sentence.twice && !sentence.twice.some(([start, stop]) => start <= i && i < stop)) {
    box.classList.add("posattn-once");
  }
  const look = element("span", "posattn-look");
  box.append(entityPart(sentence.entities, labels, i), button);
  if (sentence.gold) box.append(entityPart(sentence.gold, labels, i));
  if (sentence.gate) {
    const gate = element("span", "posattn-gate");
    gate.style.setProperty("--gate", sentence.gate[i] / 100);
    gate.title = `gate: ${sentence.gate[i]} %`;
    box.append(gate);
  }
  if (sentence.attention) box.append(look);
  return { box, button, look };
}

function entityPart(entities, labels, i) {
  const entity = entities.find((e) => e.start <= i && i < e.stop);
  const part = element("span", entity ? "posattn-entity" : "posattn-none");
  if (!entity) return part;
  part.style.setProperty("--hue", String((labels.indexOf(entity.label) % LABEL_HUES) * (360 / LABEL_HUES)));
  if (entity.start === i) {
    part.classList.add("posattn-first");
    part.textContent = entity.score === null ? entity.label : `${entity.label} ${entity.score.toFixed(2)}`;
  }
  return part;
}

function labelled(text, ...controls) {
  const label = element("label", "", `${text} `);
  label.append(...controls);
  return label;
}

function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}
