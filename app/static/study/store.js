// What readers of studies answered, in this browser's IndexedDB: an answer is written as it is
// given, so that no reload, crash or restart of the server loses one.

export const RUN = -1; // in place of a film's number: the record of the run itself

export class StudyStore {
  async open() {
    const request = indexedDB.open("lmeran-study", 1);
    request.onupgradeneeded = () =>
      request.result.createObjectStore("answers", { keyPath: ["run", "number"] });
    this.database = await done(request);
  }

  // {run, study, reader, finished} of every run that was begun here.
  async runs() {
    return (await done(this.store().getAll())).filter((record) => record.number === RUN);
  }

  // The films of a run that have answers, by their number.
  async items(run) {
    const films = await done(this.store().getAll(IDBKeyRange.bound([run, 0], [run, []])));
    return new Map(films.map((item) => [item.number, item]));
  }

  save(record) {
    return done(this.store("readwrite").put(record));
  }

  forget(run) {
    return done(this.store("readwrite").delete(IDBKeyRange.bound([run], [run, []])));
  }

  store(mode = "readonly") {
    const options = { durability: "strict" };
    return this.database.transaction("answers", mode, options).objectStore("answers");
  }
}

// Of what writes: once it is on the disk.
function done(request) {
  return new Promise((resolve, reject) => {
    const { transaction } = request;
    request.onerror = () => reject(request.error);
    if (transaction?.mode === "readwrite") transaction.oncomplete = () => resolve();
    else request.onsuccess = () => resolve(request.result);
  });
}
