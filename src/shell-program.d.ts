/** The programs that run on the pod are files of their own; the bundler hands them over as text. */
declare module '*.sh' {
  const text: string;
  export default text;
}
