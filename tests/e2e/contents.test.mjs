// The library: who may do what with which content, and how it is found.

import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { describe, it } from "node:test";

import { api, db, register, stack, waitUntil } from "./lib/fynq.mjs";
import { registerAs } from "./lib/people.mjs";
import { assertProblem } from "./lib/problem.mjs";

/** A word that no other test has, and that no stemmer shortens. */
const word = () => `q${[...randomBytes(10)].map((n) => "bcdfghjklmnpqrtvwxz"[n % 19]).join("")}`;

const people = (async () => {
  const [teacher, other, admin, student] = await Promise.all([
    registerAs(stack, "teacher"), registerAs(stack, "teacher"), registerAs(stack, "admin"),
    register(),
  ]);
  return { teacher, other, admin, student };
})();

async function add({ token }, members = {}) {
  const body = { type: "text", title: "Light", body: "It is fast.", language: "en", published: true };
  const made = await api("POST", "/contents", { token, body: { ...body, ...members } });
  assert.equal(made.status, 201, made.text);
  return made.json;
}

const list = async ({ token }, query) => {
  const got = await api("GET", `/contents?${new URLSearchParams(query)}`, { token });
  assert.equal(got.status, 200, got.text);
  return got.json;
};
const ids = ({ items }) => items.map(({ id }) => id);

async function all(who, query) {
  const found = [];
  let cursor = null;
  do {
    const page = await list(who, cursor ? { ...query, cursor } : query);
    found.push(...ids(page));
    cursor = page.next_cursor;
  } while (cursor && found.length < 1000);
  return found;
}

describe("a content", { concurrency: 4 }, () => {
  it("POST, GET, PATCH, DELETE, with entity tags", async () => {
    const { teacher } = await people;
    const { token } = teacher;
    const made = await api("POST", "/contents", {
      token,
      body: { type: "text", title: " Light ", body: "Fast.", tags: [" Physics", "physics", "Ä"] },
    });
    assert.equal(made.status, 201, made.text);
    const { id } = made.json;
    assert.equal(made.headers.get("location"), `/api/v1/contents/${id}`);
    assert.deepEqual(made.json.tags, ["physics", "ä"]);
    assert.deepEqual(
      [made.json.published, made.json.language, made.json.body, made.json.url, made.json.author_id],
      [false, "und", "Fast.", null, teacher.id]);
    await waitUntil(async () =>
      (await api("GET", `/contents/${id}`, { token })).json.extraction === "done");

    const got = await api("GET", `/contents/${id}`, { token });
    const tag = got.headers.get("etag");
    const same = await api("GET", `/contents/${id}`, { token, headers: { "if-none-match": tag } });
    assert.equal(same.status, 304);
    const changed = await api("PATCH", `/contents/${id}`, {
      token, headers: { "if-match": tag }, body: { description: "Of light.", published: true },
    });
    assert.equal(changed.status, 200, changed.text);
    assert.deepEqual([changed.json.description, changed.json.published, changed.json.title],
      ["Of light.", true, made.json.title]);
    const late = await api("PATCH", `/contents/${id}`, {
      token, headers: { "if-match": tag }, body: { title: "Late" },
    });
    assertProblem(late, 412, "precondition_failed");
    const cleared = await api("PATCH", `/contents/${id}`, { token, body: { description: null } });
    assert.equal(cleared.json.description, null);
    assert.equal((await api("DELETE", `/contents/${id}`, { token })).status, 204);
    for (const method of ["GET", "DELETE"]) {
      assertProblem(await api(method, `/contents/${id}`, { token }), 404, "not_found");
    }
  });

  it("one key adds one", async () => {
    const { teacher: { token } } = await people;
    const headers = { "idempotency-key": randomUUID() };
    const body = { type: "text", title: "Once", body: "Once." };
    const first = await api("POST", "/contents", { token, headers, body });
    const second = await api("POST", "/contents", { token, headers, body });
    assert.deepEqual([first.status, second.status, second.json.id], [201, 201, first.json.id]);
    const third = await api("POST", "/contents", { token, headers, body: { ...body, title: "2" } });
    assertProblem(third, 409, "idempotency_key_reused");
  });

  it("drafts are their author's and an admin's; others' are not to be changed", async () => {
    const { teacher, other, admin, student } = await people;
    const shown = await add(teacher);
    const draft = await add(teacher, { published: false });
    const outcome = async (who, method, { id }, body) =>
      (await api(method, `/contents/${id}`, { token: who.token, body })).status;
    const matrix = [
      [student, shown, 200, 403, 403], [student, draft, 404, 403, 403],
      [other, shown, 200, 403, 403], [other, draft, 404, 404, 404],
      [teacher, shown, 200, 200, 204], [teacher, draft, 200, 200, 204],
    ];
    for (const [who, content, get, patch, remove] of matrix) {
      assert.equal(await outcome(who, "GET", content), get);
      assert.equal(await outcome(who, "PATCH", content, { title: "Dark" }), patch);
      assert.equal(await outcome(who, "DELETE", content), remove);
    }
    const theirs = await add(other, { published: false });
    assert.equal(await outcome(admin, "GET", theirs), 200);
    assert.equal(await outcome(admin, "PATCH", theirs, { title: "Dark" }), 200);
    assert.equal(await outcome(admin, "DELETE", theirs), 204);
    const body = { type: "text", title: "Mine", body: "Mine." };
    const tried = await api("POST", "/contents", { token: student.token, body });
    assertProblem(tried, 403, "forbidden");
  });

  it("each type has its members", async () => {
    const { teacher, other } = await people;
    const tries = [
      [{ type: "text" }, "body"],
      [{ type: "pdf" }, "file_id"],
      [{ type: "pdf", file_id: randomUUID() }, "file_id"],
      [{ type: "video" }, "url"],
      [{ type: "text", body: "x", url: "https://youtu.be/x" }, "url"],
      [{ type: "video", url: "http://youtu.be/x" }, "url"],
      [{ type: "video", url: "https://youtu.be:8443/x" }, "url"],
      [{ type: "video", url: "https://youtu.be@evil.example/x" }, "url"],
      [{ type: "video", url: "https://evil.example/youtu.be" }, "url"],
      [{ type: "video", url: "https://x.youtu.be/x" }, "url"],
      [{ type: "video", url: "https://youtu.be.evil.example/x" }, "url"],
      [{ type: "video", url: "javascript:alert(1)//youtu.be" }, "url"],
      [{ type: "video", url: "//youtu.be/x" }, "url"],
      [{ type: "text", body: "x", tags: Array.from({ length: 21 }, (_, i) => `t${i}`) }, "tags"],
      [{ type: "text", body: "x".repeat(200001) }, "body"],
      [{ type: "text", body: "x", title: "" }, "title"],
    ];
    for (const [members, field] of tries) {
      const { token } = teacher;
      const tried = await api("POST", "/contents", { token, body: { title: "Light", ...members } });
      assert.equal(tried.status, 422, `${JSON.stringify(members).slice(0, 200)}: ${tried.text}`);
      assert.deepEqual(tried.json.errors.map((e) => e.field), [field], tried.text);
    }
    const file = randomUUID();
    await db.run(
      `insert into public.files (id, user_id, purpose, media_type, bytes, sha256)
       values ($1, $2, 'content', 'application/pdf', 1, repeat('a', 64))`, [file, other.id]);
    const stolen = await api("POST", "/contents", {
      token: teacher.token, body: { type: "pdf", title: "Theirs", file_id: file },
    });
    assertProblem(stolen, 422, "invalid");
    const video = await add(teacher, { type: "video", body: undefined, url: "https://youtu.be/x?t=1" });
    assert.deepEqual([video.url, video.extraction], ["https://youtu.be/x?t=1", "none"]);
  });
});

describe("the library", { concurrency: 4 }, () => {
  it("is filtered by all at once", async () => {
    const { teacher, other, student } = await people;
    const tag = word();
    const text = await add(teacher, { tags: [tag, "algebra"] });
    const german = await add(other, { tags: [tag], language: "de-AT", title: "Das Licht" });
    const video = await add(teacher, { tags: [tag], type: "video", body: undefined, url: "https://youtu.be/x" });
    const draft = await add(teacher, { tags: [tag], published: false });
    const asked = async (who, query) => ids(await list(who, { tag, ...query }));
    assert.deepEqual(await asked(student, {}), [video.id, german.id, text.id]);
    assert.deepEqual(await asked(teacher, {}), [draft.id, video.id, german.id, text.id]);
    assert.deepEqual(await asked(student, { tag: tag.toUpperCase() }), [video.id, german.id, text.id]);
    assert.deepEqual(await asked(teacher, { mine: true }), [draft.id, video.id, text.id]);
    assert.deepEqual(await asked(teacher, { mine: true, author: teacher.id }), [draft.id, video.id, text.id]);
    for (const query of [{}, { q: "light" }]) {
      assert.deepEqual(await asked(teacher, { mine: true, author: other.id, ...query }), []);
    }
    assert.deepEqual(await asked(teacher, { published: false }), [draft.id]);
    assert.deepEqual(await asked(student, { published: false }), []);
    assert.deepEqual(await asked(student, { type: "video" }), [video.id]);
    assert.deepEqual(await asked(student, { language: "de" }), [german.id]);
    assert.deepEqual(await asked(student, { language: "de", author: teacher.id }), []);
    assert.deepEqual(await asked(student, { q: "light" }), [video.id, text.id]);
    assert.deepEqual(await asked(student, { q: "light", type: "text", language: "en" }), [text.id]);
    assert.deepEqual(await asked(student, { q: "lichts" }), [german.id]);
    const mine = ids(await list(teacher, { mine: true, limit: 100 }));
    assert.ok(mine.includes(draft.id) && !mine.includes(german.id));
  });

  it("ranks a title above the text, and stems by the content's language", async () => {
    const { teacher, student } = await people;
    const a = word();
    const body = await add(teacher, { title: "Of plants", body: `They grow. ${a} grows, too.` });
    const title = await add(teacher, { title: `Growing ${a}` });
    const draft = await add(teacher, { title: `Growing ${a}`, published: false });
    assert.deepEqual(ids(await list(student, { q: `grow ${a}` })), [title.id, body.id]);
    assert.deepEqual(ids(await list(teacher, { q: a })).sort(), [body.id, title.id, draft.id].sort());
    assert.deepEqual(ids(await list(student, { q: `${a} -plants` })), [title.id]);
    assert.deepEqual(ids(await list(student, { q: `"${a} grows"` })), [body.id]);
    const turkish = await add(teacher, { language: "tr", title: "Kitaplar", body: `${a}2 kitaplarımız` });
    assert.equal(ids(await list(student, { q: `${a}2 kitap` }))[0], turkish.id);
  });

  it("snippets are HTML that only marks", async () => {
    const { teacher, student } = await people;
    const a = word();
    const evil = `<script>alert("1")</script> <mark>x</mark> & ${a} <img src=x onerror='y'> &lt;b&gt;`;
    await add(teacher, { title: "Evil", body: evil });
    const [{ snippet }] = (await list(student, { q: a })).items;
    assert.ok(snippet.includes(`<mark>${a}</mark>`), snippet);
    assert.equal(snippet.replaceAll(`<mark>${a}</mark>`, "").match(/[<>"']/), null, snippet);
  });

  it("snippets are of the place where the words are", async () => {
    const { teacher, student } = await people;
    const a = word();
    const body = `${"Grass, and more of it. ".repeat(40)}Between: (${a}) ${"grew there. ".repeat(9)}`;
    const { id } = await add(teacher, { body });
    const snippet = async () => (await list(student, { q: `${a} -x+(` })).items[0].snippet;
    const marked = new RegExp(`<mark>${a}</mark>\\) grew there`);
    assert.match(await snippet(), marked);
    await waitUntil(async () => (await list(student, { q: a })).items[0].extraction === "done");
    assert.match(await snippet(), marked);
    await add(teacher, { title: a, body: "No such word at all." });
    assert.deepEqual((await list(student, { q: a })).items.map((c) => [c.id === id, c.snippet])[0],
      [false, "No such word at all."]);
  });

  it("typing errors find titles, unless a content has the words", async () => {
    const { teacher, student } = await people;
    let a;
    do a = word(); while (a[6] === a[7]); // Else it is the same with the two changed places.
    const right = await add(teacher, { title: `The ${a}`, body: "Nothing else." });
    const typo = `${a.slice(0, 6)}${a[7]}${a[6]}${a.slice(8)}`;
    assert.deepEqual(ids(await list(student, { q: typo })), [right.id]);
    const exact = await add(teacher, { title: "Other", body: `About ${typo} alone.` });
    assert.deepEqual(ids(await list(student, { q: typo })), [exact.id]);
  });

  it("stop words find nothing, also where another language of the library has none of them", async () => {
    const { teacher, student } = await people;
    await add(teacher, { title: "Das Licht", language: "de" });
    const { id } = await add(teacher, { title: "The being and the having" });
    for (const q of ["the and", "being", "-light the"]) {
      assert.ok(!ids(await list(student, { q, limit: 100 })).includes(id), q);
    }
  });

  it("pages have neither gaps nor doubles while contents are added", async () => {
    const { teacher, student } = await people;
    const a = word();
    const there = [];
    for (let i = 0; i < 12; i++) {
      there.push((await add(teacher, { title: i % 3 ? "Of it" : `${a}`, body: `${a} `.repeat(1 + i), tags: [a] })).id);
    }
    for (const query of [{ q: a, limit: 3 }, { tag: a, limit: 3 }]) {
      const found = [];
      let cursor = null;
      do {
        const page = await list(student, cursor ? { ...query, cursor } : query);
        found.push(...ids(page));
        cursor = page.next_cursor;
        await add(teacher, { title: `New ${a}`, body: a, tags: [a] });
      } while (cursor);
      assert.equal(new Set(found).size, found.length);
      for (const id of there) assert.ok(found.includes(id), `${JSON.stringify(query)} left out ${id}`);
    }
    const wrong = await api("GET", `/contents?q=${a}&cursor=AAAA`, { token: student.token });
    assertProblem(wrong, 422, "invalid", ["cursor"]);
  });

  it("hostile queries find nothing, and hurt nobody", async () => {
    const { student } = await people;
    for (const q of ["the and of", "-light", "!&|()<->:*", "'", "\\", "\"", "a:* & b", "((((", "'); drop table contents; --",
      "#published", "'#published'", "x".repeat(200), "%_", "🙂", "or or or", "-- - -", "$1",
      "c++ a.b*", "https://x.example/(a?b=[c\\d", "-5 (x|y){3}"]) {
      const got = await api("GET", `/contents?${new URLSearchParams({ q })}`, { token: student.token });
      assert.equal(got.status, 200, `${q}: ${got.text}`);
    }
    assert.deepEqual((await list(student, { q: "-light" })).items, []);
    for (const q of ["x".repeat(201), "a\0b", ""]) {
      const got = await api("GET", `/contents?${new URLSearchParams({ q })}`, { token: student.token });
      assert.equal(got.status, 422, q);
    }
  });
});
