// A number beside what was measured on validation and test films, in words: its rank, the
// operating points, whether a shift is usual, calibrated values, the input gate.

import { CHANGE_SHOWN, NEGATIVE, POSITIVE, UNKNOWN, change, percent, pinCount, points, shown }
  from "../state.js";

export const CHANCE = "not better than chance on test films";
const UNUSUAL = 95; // per cent of the films: beyond, a shift is called unusual

// What is said of the selected finding, one text after the other.
export function detailTexts(facts, state) {
  const { reading, selected: i } = state, { calibration, model } = facts;
  return [
    probabilityText(state, i),
    calibration && !calibration.keepsRaw ? valueText(calibration, reading.fitted, i) : "",
    rankText(reading, i),
    calibration ? pointText(calibration, reading, i) : "",
    shiftText(reading, i),
    facts.prevalence ? `in ${percent(facts.prevalence[i])} of the training films` : "",
    aucText(model.test, i),
  ].filter(Boolean);
}

function probabilityText(state, i) {
  const { reading } = state, free = percent(reading.free[i]), delta = change(reading, i);
  const known = { [NEGATIVE]: "absent", [POSITIVE]: "present" }[reading.pins[i]];
  if (known) return `pinned ${known} by you; the model's free probability was ${free}`;
  if (!pinCount(state)) return `free ${free}`;
  return `free ${free}, now ${percent(shown(reading, i))} (${points(delta)} points)`;
}

function rankText({ reference, fitted }, i) {
  const rank = fitted && of(fitted.percentile[i], "validation films");
  if (!reference) return rank ? `free: higher than in ${rank}` : "";
  const absent = reference.absent[i], present = reference.present[i];
  if (absent === null) return "";
  const others = present === null ? "" : `, and ${of(present, "those with it")}`;
  return `free: higher than in ${of(absent, "validation films without it")}${others}`;
}

// How the shift by a single pin compares with what that pin does to validation films.
function shiftText(reading, i) {
  const percentile = reading.reference?.shift?.[i] ?? null, delta = change(reading, i);
  if (percentile === null || Math.abs(delta) < CHANGE_SHOWN) return "";
  const larger = delta > 0 ? percentile : 100 - percentile, what = delta > 0 ? "rise" : "fall";
  const films = `${reading.reference.pinnedFilms} validation films with this pin`;
  if (larger <= 100 - UNUSUAL) {
    return `an unusually small ${what}: less than in ${of(100 - larger, films)}`;
  }
  const usual = larger >= UNUSUAL ? `an unusually large ${what}` : `a usual ${what}`;
  return `${usual}: more than in ${of(larger, films)}`;
}

function aucText(test, i) {
  const auc = test?.auc[i], ends = test?.interval?.[i];
  if (!auc) return "";
  const known = ends && ends[0] !== null;
  const interval = known ? ` (${ends.map((v) => v.toFixed(2)).join(" to ")})` : "";
  return `test AUC ${auc.toFixed(2)}${interval}${isChance(test, i) ? `: ${CHANCE}` : ""}`;
}

// Whether the interval of a finding's AUC on test films reaches a half.
export function isChance(test, i) {
  const low = test?.interval?.[i]?.[0] ?? null;
  return low !== null && low <= 0.5;
}

export function calibratedText(reading, i) {
  const p = reading.fitted.calibrated[i];
  if (p !== null) return percent(p);
  return reading.pins[i] === UNKNOWN ? "\u2013" : "";
}

function valueText(calibration, fitted, i) {
  if (!calibration.youden[i]) return uncalibrated(calibration, i);
  const p = fitted.calibrated[i];
  return p === null
    ? `calibrated free ${percent(fitted.calibrated_free[i])}` : `calibrated ${percent(p)}`;
}

export function uncalibrated(calibration, i) {
  const films = calibration.positives[i];
  const few = films ? `only ${films} of the validation films` : "no validation film";
  return `not calibrated: ${few} had it`;
}

// On which side of the operating points the raw probability is.
function pointText(calibration, reading, i) {
  const { above_youden: above, above_sensitivity_90: found } = reading.fitted;
  if (above[i] === null) return "";
  const balanced = calibration.youden[i], low = calibration.sensitive[i];
  const finds = `finds ${of(100 * low.sensitivity, "films with it")}`;
  if (above[i]) {
    return `above the balanced threshold of ${percent(balanced.threshold)}, which finds `
      + `${of(100 * balanced.sensitivity, "films with it")} and clears `
      + of(100 * balanced.specificity, "those without");
  }
  if (!found[i]) return `below ${percent(low.threshold)}, the threshold that ${finds}`;
  return `between ${percent(low.threshold)}, the threshold that ${finds}, and the balanced one of `
    + percent(balanced.threshold);
}

export function namesText({ films, keepsRaw, identity }) {
  const points = `Operating points were measured on ${films}`;
  if (keepsRaw) return `The probabilities are raw. ${points}.`;
  return "Free and Now are raw probabilities. Calibrated: how often films with such a value had "
    + `the finding (calibration ${identity}); \u2013 too few films had it. ${points}.`;
}

export function gateSentences(film, prior) {
  const said = (f, start) => (f?.gate?.warnings ?? []).map((text) => start + text);
  return [...said(film, ""), ...said(prior, "Prior film: ")];
}

// "97 % of films", "all films".
function of(percentage, films) {
  if (percentage >= 99.95) return `all ${films}`;
  if (percentage > 99) return `over 99 % of ${films}`;
  return `${percentage < 1 ? "under 1 %" : `${Math.round(percentage)} %`} of ${films}`;
}
