// A study as its file says it, and what follows from it: the order of films and the questions.

export const ARMS = { film: "film alone", model: "film and model", pins: "film, model and pins" };

const PRESENT = { kind: "present", text: "present?", keys: { y: "yes", n: "no" } };
const CONFIDENCE = { kind: "confidence", text: "how sure are you, 0 to 100?" };
const PLAUSIBLE = { kind: "plausible", text: "is the map plausible?",
                    keys: { y: "yes", p: "partly", n: "no" } };
const COMMENT = { kind: "comment", finding: "", text: "Anything to note? May stay empty" };

// The study of a file's text, but for the truth, which no reader is to see. Throws an Error with a
// sentence for what is none.
export function parseStudy(text, findings) {
  try {
    const study = JSON.parse(text);
    const whole = study.films.length && study.films.every((film) => film.sha256 || film.name)
      && study.arms.length && study.arms.every((arm) => ARMS[arm])
      && study.findings.length && study.findings.every((name) => numberOf(name, findings) >= 0)
      && typeof study.study === "string";
    for (const film of study.films) delete film.truth;
    if (whole) return study;
  } catch {
    // the same sentence
  }
  throw new Error("The file is no study: it needs a name as \"study\", \"films\" with sha256 or "
    + `name, "arms" out of ${Object.keys(ARMS).join(", ")}, and "findings" out of the 14.`);
}

// What a film is called in the answers.
export function caseOf({ sha256, name }) {
  return sha256 ?? name;
}

// Position of a finding that a file names, -1 for none.
export function numberOf(finding, findings) {
  return findings.findIndex((name) => name.replaceAll(" ", "_") === finding);
}

// [{arm, film}] of one reader: the arms one after the other, in each all films; both in an order
// drawn from the seed and the reader's code.
export function orderOf(study, reader) {
  const random = generator(`${study.seed ?? 0}:${reader}`);
  const shuffled = (values) => values.map((value) => [random(), value])
    .sort(([a], [b]) => a - b).map(([, value]) => value);
  return shuffled(study.arms)
    .flatMap((arm) => shuffled(study.films).map((film) => ({ arm, film })));
}

// [{kind, finding, text, keys}] about one film.
export function questionsOf(study, arm) {
  const each = [PRESENT, CONFIDENCE, ...(study.plausible && arm !== "film" ? [PLAUSIBLE] : [])];
  const asked = study.findings.flatMap((finding) => each.map((one) => ({ ...one, finding })));
  return study.comment ? [...asked, COMMENT] : asked;
}

// Numbers 0 .. 1, the same on every machine: FNV-1a of the text, then mulberry32.
function generator(text) {
  let state = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) state = Math.imul(state ^ byte, 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
