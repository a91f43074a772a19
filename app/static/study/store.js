// What readers of studies answered, in this browser's IndexedDB: an answer is written as it is given,
// so that no reload, crash or restart of the server loses one.

const NAME = "lmeran-study";

export class StudyStore {
  async open() {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("runs", { keyPath: "id" });
      request.result.createObjectStore("items", { keyPath: ["run", "number"] });
    };
    this.database = await done(request);
  }

  // All readers' runs: {id, study, reader, begun}.
  runs() {
    return done(this.store("runs", "readonly").getAll());
  }

  // The films of a run that have been begun: {run, number, arm, film, seconds, answers, done}.
  items(run) {
    const all = IDBKeyRange.bound([run], [run, []]);
    return done(this.store("items", "readonly").getAll(all));
  }

  saveRun(run) {
    return this.write("runs", (store) => store.put(run));
  }

  saveItem(item) {
    return this.write("items", (store) => store.put(item));
  }

  async forget(run) {
    await this.write("items", (store) => store.delete(IDBKeyRange.bound([run], [run, []])));
    await this.write("runs", (store) => store.delete(run));
  }

  store(name, mode) {
    return this.database.transaction(name, mode, { durability: "strict" }).objectStore(name);
  }

  write(name, act) {
    const store = this.store(name, "readwrite");
    act(store);
    return new Promise((resolve, reject) => {
      store.transaction.oncomplete = () => resolve();
      store.transaction.onabort = () => reject(store.transaction.error);
    });
  }
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
