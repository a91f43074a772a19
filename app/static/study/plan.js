// A study as its file says it, and what follows from it: the order of films and the questions.

export const ARMS = {
  film: "film alone",
  model: "film and model",
  pins: "film, model and pins",
};

const PRESENT = { kind: "present", keys: { y: "yes", n: "no" } };
const CONFIDENCE = { kind: "confidence", text: "0 to 100" };
const PLAUSIBLE = { kind: "plausible", keys: { y: "yes", p: "partly", n: "no" } };
const COMMENT = { kind: "comment", text: "may stay empty" };

// The study of a file's text. Throws an Error with a sentence for what is none.
export function parseStudy(text, findings) {
  let study;
  try {
    study = JSON.parse(text);
  } catch {
    throw new Error("The file is no study: it is not JSON.");
  }
  const wrong = [
    [typeof study?.study !== "string", "has no name (\"study\")"],
    [!study?.films?.length, "names no films"],
    [study?.films?.some?.((f) => !f.sha256 && !f.name), "has a film without \"sha256\" or \"name\""],
    [!study?.arms?.length || study.arms.some((arm) => !ARMS[arm]),
      `needs "arms" out of ${Object.keys(ARMS).join(", ")}`],
    [!study?.findings?.length || study.findings.some((f) => numberOf(f, findings) < 0),
      "needs \"findings\" out of the 14"],
  ].find(([is]) => is);
  if (wrong) throw new Error(`The file is no study that can be done here: it ${wrong[1]}.`);
  return study;
}

// Position of a finding that a file names, -1 for none.
export function numberOf(finding, findings) {
  const plain = (name) => String(name).toLowerCase().replaceAll("_", " ");
  return findings.findIndex((name) => plain(name) === plain(finding));
}

// [{arm, film}] of one reader: the arms one after the other, in each all films; both in an order drawn
// from the seed and the reader's name.
export function orderOf(study, reader) {
  const random = generator(`${study.seed ?? 0}:${reader}`);
  return shuffled(study.arms, random).flatMap((arm) =>
    shuffled(study.films, random).map((film) => ({ arm, film })));
}

// [{kind, finding, keys or text}] about one film.
export function questionsOf(study, arm) {
  const asked = study.findings.flatMap((finding) => [PRESENT, CONFIDENCE,
    ...(study.plausible && arm !== "film" ? [PLAUSIBLE] : []),
  ].map((question) => ({ ...question, finding })));
  return study.comment ? [...asked, { ...COMMENT, finding: "" }] : asked;
}

export function caseOf(film) {
  return film.sha256 ?? film.name;
}

function shuffled(values, random) {
  const order = [...values];
  for (let k = order.length - 1; k > 0; k--) {
    const other = Math.floor(random() * (k + 1));
    [order[k], order[other]] = [order[other], order[k]];
  }
  return order;
}

// FNV-1a of the text, then mulberry32: the same everywhere.
function generator(text) {
  let state = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    state = Math.imul(state ^ byte, 0x01000193);
  }
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
