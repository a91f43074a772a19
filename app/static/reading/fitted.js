// What was fitted on validation films, in words: calibrated value, operating points, percentile,
// input gate. Raw probability, calibrated probability and operating point keep their three names.

import { UNKNOWN, percent } from "../state.js";

export const ABOVE = "\u25b2";
export const BELOW = "\u25bd";

// Which side of the operating points finding i's raw probability is: the best balance (Youden)
// first, else whether it stays under even the point that finds 90 %.
export function pointMark(reading, i) {
  const { above_youden: youden, above_sensitivity_90: sensitive } = reading.fitted;
  if (youden[i]) return ABOVE;
  return sensitive[i] === false ? BELOW : "";
}

export function calibratedText(reading, i) {
  const p = reading.fitted.calibrated[i];
  if (p !== null) return percent(p);
  return reading.pins[i] === UNKNOWN ? "\u2013" : "";
}

// For the selected finding: its calibrated value, its rank among validation films, its side of the
// operating points; each empty where there is none.
export function fittedWords(calibration, reading, i) {
  if (!calibration) return { value: "", rank: "", point: "" };
  const p = reading.fitted.calibrated[i];
  return {
    value: calibration.keepsRaw ? "" : valueWords(calibration, reading.fitted, i),
    rank: `free above ${percentileText(reading, i)} of validation films`,
    point: p === null ? "" : pointSentence(calibration, reading, i),
  };
}

function valueWords(calibration, fitted, i) {
  if (!calibration.youden[i]) return uncalibrated(calibration, i);
  const p = fitted.calibrated[i];
  if (p === null) return `calibrated free ${percent(fitted.calibrated_free[i])}`;
  return `calibrated ${percent(p)}`;
}

export function percentileText(reading, i) {
  return `${Math.round(reading.fitted.percentile[i])} %`;
}

export function uncalibrated(calibration, i) {
  const films = calibration.positives[i];
  const few = films ? `only ${films} of the validation films` : "no validation film";
  return `not calibrated: ${few} had it`;
}

export function pointSentence(calibration, reading, i) {
  const mark = pointMark(reading, i);
  const youden = calibration.youden[i], sensitive = calibration.sensitive[i];
  if (mark === ABOVE) return `${ABOVE} raw reaches the Youden point, ${pointText(youden)}`;
  if (mark === BELOW) {
    return `${BELOW} raw is below the point of 90 % sensitivity, ${pointText(sensitive)}`;
  }
  return `raw is between the point of 90 % sensitivity (${percent(sensitive.threshold)}) and the `
    + `Youden point (${percent(youden.threshold)})`;
}

export function namesText(calibration) {
  const points = `${ABOVE} raw reaches the Youden operating point, ${BELOW} raw is below the point `
    + `of 90 % sensitivity, both measured on ${calibration.films}`;
  if (calibration.keepsRaw) return `Free and With pins are raw probabilities. ${points}.`;
  return "Free and With pins are raw probabilities. Calibrated: how often films with such a value "
    + `had the finding (calibration ${calibration.identity}); \u2013 too few films had it. ${points}.`;
}

export function gateSentences(film, prior) {
  const of = (f, start) => (f?.gate?.warnings ?? []).map((text) => start + text);
  return [...of(film, ""), ...of(prior, "Prior film: ")];
}

// 5.4 % (sensitivity 44 %, specificity 83 %): as measured on validation films, nothing pinned.
function pointText(point) {
  return `${percent(point.threshold)} (sensitivity ${whole(point.sensitivity)}, specificity `
    + `${whole(point.specificity)})`;
}

function whole(share) {
  return `${Math.round(100 * share)} %`;
}
