// What readers of studies answered, in this browser's IndexedDB, one record for each run: kept as
// each answer is given, so that no reload, crash or restart of the server loses one.

export class StudyStore {
  async open() {
    const request = indexedDB.open("lmeran-studies", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("runs", { keyPath: "run" });
    this.database = await done(request);
  }

  // {run, study, reader, items} of every run that was begun here; items as `begin` makes them.
  runs() {
    return done(this.store("readonly").getAll());
  }

  save(run) {
    return done(this.store("readwrite").put(run));
  }

  forget({ run }) {
    return done(this.store("readwrite").delete(run));
  }

  store(mode) {
    return this.database.transaction("runs", mode, { durability: "strict" }).objectStore("runs");
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
