// Files of the worklist to the server and its answers back, under a ticket of this page.

import { FileTrouble } from "./zip.js";

const PATIENCE = 30_000; // ms to wait for a ticket
const SILENT = "The program did not answer.";
const EMPTY = "The file is empty; choose a chest X-ray as DICOM, PNG or JPEG.";

// Nothing is wrong with the file: it was not read this time, for the reason told.
export class Interrupted extends Error {}

export class WorklistClient {
  constructor(maxBytes) {
    this.maxBytes = maxBytes;
    this.ticket = null; // a Promise of it
  }

  // {row} or {film} as `app/worklist.py` gives them, or {error}: why the file cannot be read. Throws
  // Interrupted.
  async send(what, item, signal) {
    let bytes;
    try {
      bytes = await this.bytesOf(item);
    } catch (error) {
      if (error instanceof FileTrouble) return { error: error.message };
      throw error;
    }
    let answer = await this.post(what, bytes, signal);
    if (answer.status === 404) {
      this.ticket = null; // the server knows ours no longer
      answer = await this.post(what, bytes, signal);
    }
    const refused = answer.refused ?? answer.message;
    if (refused) throw new Interrupted(refused);
    return answer;
  }

  async bytesOf({ size, bytes, reason }) {
    if (reason) throw new FileTrouble(reason);
    if (size === 0) throw new FileTrouble(EMPTY);
    if (size <= this.maxBytes) return bytes();
    const limit = this.maxBytes / 2 ** 20;
    throw new FileTrouble(`The file has ${Math.ceil(size / 2 ** 20)} MB and the limit is ${limit} MB; `
      + "export the film alone, or compress it.");
  }

  async post(what, body, signal) {
    const ticket = await this.ask();
    try {
      const address = new URL(`lmeran/worklist/${ticket}/${what}`, document.baseURI);
      const response = await fetch(address, { method: "POST", body, signal });
      return { status: response.status, ...await response.json() };
    } catch {
      throw new Interrupted(SILENT);
    }
  }

  ask() {
    this.ticket ??= new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.ticket = null;
        reject(new Interrupted(SILENT));
      }, PATIENCE);
      window.addEventListener("lmeran:ticket", (e) => {
        clearTimeout(late);
        resolve(e.detail);
      }, { once: true });
      window.dispatchEvent(new Event("lmeran:wantticket"));
    });
    return this.ticket;
  }

  forget() {
    this.ticket = null;
  }
}
