/** The guides of man/, as the build hands them to the program: their text. */
declare module "*.md" {
  const text: string;
  export default text;
}
