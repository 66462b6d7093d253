import { definePluginEntry } from "openclaw/plugin-sdk/plugin-entry";

import { oncePerRun, selectModel } from "./select-model.js";

type Settings = { provider?: string; socket?: string; timeoutMs?: number };

export default definePluginEntry({
  id: "telmeet",
  name: "telmeet",
  description: "innkeep's router chooses the model of each message",
  register(api) {
    const { provider = "ollama", ...settings } = (api.pluginConfig ?? {}) as Settings;
    const isFirst = oncePerRun();
    api.on("before_model_resolve", async (event, ctx) => {
      if (!isFirst(ctx.runId)) return undefined;
      const { model, by } = await selectModel(event.prompt, { ...settings, session: ctx.sessionKey });
      api.logger.info(`telmeet: ${provider}/${model}, chosen by ${by}`);
      return { providerOverride: provider, modelOverride: model };
    });
  },
});
