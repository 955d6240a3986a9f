// What a label or a group is called: lower case, words joined by underscores.
export const labelName = (text) => text.trim().toLowerCase().replace(/[\s-]+/g, "_");
