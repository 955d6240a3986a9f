import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: [".venv/", "docs/"] },
  js.configs.recommended,
  {
    files: ["app/**/*.js", "assets/js/**/*.js"],
    languageOptions: { globals: globals.browser },
    rules: {
      "max-lines": ["error", 300],
      "max-lines-per-function": ["error", { max: 45, skipComments: true, skipBlankLines: true }],
    },
  },
  { files: ["tests/js/**/*.js"], languageOptions: { globals: globals.node } },
  { rules: { eqeqeq: "error", "no-var": "error", "prefer-const": "error", "no-shadow": "error" } },
];
