// Files in Supabase Storage.

import { filesSuite } from "./lib/files-suite.mjs";
import { startStack } from "./lib/fynq.mjs";

filesSuite(() => startStack({ storage: "supabase" }), {
  name: "in Supabase Storage",
  async objects({ storage }, user) {
    const objects = await storage.objects(user);
    return objects.map(({ name }) => name.split("/").at(-1)).sort();
  },
  follow: ({ storage }, url) => storage.get(url),
});
